#compdef redis-lock
# SPDX-License-Identifier: MIT
# Completion of redis-lock for zsh.

local -a commands wait_options output server
commands=(
	'run:hold NAME while COMMAND runs'
	'status:who holds NAME, for how long still, how many wait'
	'list:what redislock has locked'
	'wait:wait until NAME is free, without queueing for it'
	'break:release NAME by force, whoever holds it'
	'ping:ask the server for a sign of life'
	'version:the version, and what this build can do'
	'help:all commands, or more about one'
)
wait_options=(
	'(--try)--wait[how long to wait at most]:duration:(10s 1m 10m 1h forever)'
	"(--wait)--try[don't wait]"
)
server=(
	'--url[the server]:URL: '
	'(- *)--help[what there is to say about the command]'
)

if (( CURRENT == 2 )); then
	_describe command commands
	return
fi

local command=$words[2]
shift words
(( CURRENT-- ))
case $command in
run)
	_arguments -S -A '-*' $wait_options $server \
		'--ttl[how long the lock outlives a crash]:duration:(10s 30s 1m 10m none)' \
		'--spin=-[try again at an interval instead of queueing]::duration:(100ms 1s)' \
		'--owner[who holds the lock, for others to see]:text: ' \
		'--on-lost[what is done to the command when the lock is lost]:action:(term kill ignore)' \
		'--signal-grace[the time from SIGTERM to SIGKILL]:duration:(10s 1m forever)' \
		'--min-replicas[only if so many replicas have the lock]:number: ' \
		'--conflict-exit-code[the exit status when the lock was not acquired in time]:status: ' \
		'(--verbose)--quiet[only failures are worth a message]' \
		'(--quiet)--verbose[tell each step on standard error]' \
		':name: ' \
		'*:: :_normal'
	;;
status) _arguments $server '--json[print JSON]' ':name: ' ;;
list) _arguments $server '--json[print JSON]' '::pattern: ' ;;
wait) _arguments $wait_options $server '--quiet[only failures are worth a message]' ':name: ' ;;
break)
	_arguments $server '--quiet[only failures are worth a message]' \
		'--token[only if this token holds it]:token: ' ':name: '
	;;
ping) _arguments $server '--quiet[only failures are worth a message]' ;;
version) _arguments '(- *)--help[what there is to say about the command]' ;;
help)
	commands=(${commands:#help:*})
	_describe command commands
	;;
esac
