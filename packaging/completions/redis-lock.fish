# SPDX-License-Identifier: MIT
# Completion of redis-lock for fish.

function __redis_lock_in
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

# The words after the NAME of "run": the command that it is to run. Fails where there is no NAME yet.
function __redis_lock_run
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    test (count $words) -gt 2; and test $words[2] = run; or return 1
    set -e words[1 2]
    while string match -q -- '-*' "$words[1]"
        if contains -- $words[1] --wait --ttl --min-replicas --owner --on-lost --signal-grace --conflict-exit-code --url
            set -e words[1]
        end
        set -e words[1]
    end
    test (count $words) -gt 0; or return 1
    set -e words[1]
    test "$words[1]" = --; and set -e words[1]
    string escape -- $words
    return 0
end

function __redis_lock_complete_run
    set -l words (__redis_lock_run)
    complete -C "$words "(commandline --current-token --cut-at-cursor | string collect)
end

function __redis_lock_needs_command
    test (count (commandline --current-process --tokenize --cut-at-cursor)) -eq 1
end

set -l commands run status list wait break ping version
complete -c redis-lock -f
complete -c redis-lock -n __redis_lock_needs_command -a run -d 'hold NAME while COMMAND runs'
complete -c redis-lock -n __redis_lock_needs_command -a status -d 'who holds NAME, and how many wait'
complete -c redis-lock -n __redis_lock_needs_command -a list -d 'what redislock has locked'
complete -c redis-lock -n __redis_lock_needs_command -a wait -d 'wait until NAME is free'
complete -c redis-lock -n __redis_lock_needs_command -a break -d 'release NAME by force'
complete -c redis-lock -n __redis_lock_needs_command -a ping -d 'ask the server for a sign of life'
complete -c redis-lock -n __redis_lock_needs_command -a version -d 'the version, and what this build can do'
complete -c redis-lock -n __redis_lock_needs_command -a help -d 'all commands, or more about one'
complete -c redis-lock -n '__redis_lock_in help' -a "$commands"
complete -c redis-lock -n '__redis_lock_run >/dev/null' -a '(__redis_lock_complete_run)'

set -l run '__redis_lock_in run; and not __redis_lock_run >/dev/null'
set -l waits "__redis_lock_in wait; or begin; $run; end"
complete -c redis-lock -n $waits -l wait -x -a '10s 1m 10m 1h forever' -d 'how long to wait at most'
complete -c redis-lock -n $waits -l try -d "don't wait"
complete -c redis-lock -n $run -l ttl -x -a '10s 30s 1m 10m none' -d 'how long the lock outlives a crash'
complete -c redis-lock -n $run -l spin -d 'try again at an interval instead of queueing'
complete -c redis-lock -n $run -l owner -x -d 'who holds the lock, for others to see'
complete -c redis-lock -n $run -l on-lost -x -a 'term kill ignore' -d 'what is done when the lock is lost'
complete -c redis-lock -n $run -l signal-grace -x -a '10s 1m forever' -d 'the time from SIGTERM to SIGKILL'
complete -c redis-lock -n $run -l min-replicas -x -d 'only if so many replicas have the lock'
complete -c redis-lock -n $run -l conflict-exit-code -x -d 'the exit status when it was not acquired in time'
complete -c redis-lock -n $run -l verbose -d 'tell each step on standard error'
complete -c redis-lock -n '__redis_lock_in break' -l token -x -d 'only if this token holds it'
complete -c redis-lock -n '__redis_lock_in status list' -l json -d 'print JSON'
complete -c redis-lock -n "__redis_lock_in wait break ping; or begin; $run; end" -l quiet -d 'only failures are worth a message'
complete -c redis-lock -n "__redis_lock_in status list wait break ping; or begin; $run; end" -l url -x -d 'the server'
complete -c redis-lock -n "__redis_lock_in status list wait break ping version; or begin; $run; end" -l help -d 'more about the command'
