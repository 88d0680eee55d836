# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Completion of redis-lock for bash.

_redis_lock_options() {
	case $1 in
	run) echo '--wait --try --ttl --spin --min-replicas --owner --on-lost --signal-grace --conflict-exit-code --quiet --verbose --url --help' ;;
	status | list) echo '--json --url --help' ;;
	wait) echo '--wait --try --quiet --url --help' ;;
	break) echo '--token --quiet --url --help' ;;
	ping) echo '--quiet --url --help' ;;
	version) echo '--help' ;;
	esac
}

_redis_lock() {
	local commands='run status list wait break ping version help'
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
	COMPREPLY=()
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
		return
	fi
	if [ "$command" = help ]; then
		[ "$COMP_CWORD" -gt 2 ] || mapfile -t COMPREPLY < <(compgen -W "${commands% help}" -- "$word")
		return
	fi
	if [ "$command" = run ]; then
		# What follows the name is a command of its own.
		for ((i = 2; i < COMP_CWORD; i++)); do
			case ${COMP_WORDS[i]} in
			--wait | --ttl | --min-replicas | --owner | --on-lost | --signal-grace | --conflict-exit-code | --url) i=$((i + 1)) ;;
			--spin) [ "${COMP_WORDS[i + 1]}" != = ] || i=$((i + 2)) ;;
			-*) ;;
			*)
				i=$((i + 1))
				[ "${COMP_WORDS[i]}" != -- ] || [ "$i" -ge "$COMP_CWORD" ] || i=$((i + 1))
				if declare -F _command_offset >/dev/null; then
					_command_offset "$i"
				else
					mapfile -t COMPREPLY < <(compgen -c -- "$word")
				fi
				return
				;;
			esac
		done
	fi
	case $before in
	--on-lost) mapfile -t COMPREPLY < <(compgen -W 'term kill ignore' -- "$word") ;;
	--wait | --signal-grace) mapfile -t COMPREPLY < <(compgen -W '10s 1m 10m 1h forever' -- "$word") ;;
	--ttl) mapfile -t COMPREPLY < <(compgen -W '10s 30s 1m 10m none' -- "$word") ;;
	--min-replicas | --owner | --conflict-exit-code | --token | --url) ;;
	*)
		case $word in
		-*) mapfile -t COMPREPLY < <(compgen -W "$(_redis_lock_options "$command")" -- "$word") ;;
		esac
		;;
	esac
}

complete -F _redis_lock redis-lock
