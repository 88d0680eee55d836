# SPDX-License-Identifier: MIT
"""redis-lock run on a terminal, while the command runs: Ctrl-C, Ctrl-\\, Ctrl-Z, fg and bg."""

import os
import signal

import support
from support import equal, eventually, is_alive, is_free, state_of, test, true
from terminal import COUNTER, READY, Terminal, ready, script, shell, states, until_jobs_say

RUN_COUNTER = '"$R" run foo ' + COUNTER
PIPELINE = " | { trap '' INT QUIT; exec cat; }"
# Where a command is: alone, in a script, with a pipe for its output, without the terminal for its input.
PLACES = (lambda: Terminal(support.program, "run", "foo", *COUNTER.split()),
          lambda: script(RUN_COUNTER + "; exit $?"),
          lambda: script(RUN_COUNTER + PIPELINE + '; exit "${PIPESTATUS[0]}"'),
          lambda: script(RUN_COUNTER + " </dev/null; exit $?"))


@test
def ctrl_c_reaches_the_command_once():
    for place in PLACES:
        with place() as terminal:
            _, redis_lock = ready(terminal)
            terminal.send(b"\x03")
            terminal.expect(b"caught SIGINT\r\n")
            # This goes through redis-lock, so that it comes after whatever else redis-lock sends.
            os.kill(redis_lock, signal.SIGUSR1)
            terminal.expect(b"counted SIGINT=1\r\n")
            equal(terminal.finish(), 6)
        eventually(is_free, "it is released")


@test
def every_key_reaches_the_command_once():
    for place in PLACES[:1] + PLACES[2:3]:
        with place() as terminal:
            _, redis_lock = ready(terminal)
            for number in range(1, 4):
                terminal.send(b"\x03")
                terminal.expect(b"caught SIGINT\r\n")
                terminal.send(b"\x1c")
                terminal.expect(b"caught SIGQUIT\r\n")
            os.kill(redis_lock, signal.SIGUSR1)
            terminal.expect(b"counted SIGINT=3 SIGQUIT=3\r\n")
        eventually(is_free, "it is released")


@test
def ctrl_c_ends_command_and_script():
    command = '"$R" run foo sh -c "' + READY.replace("$", "\\$") + 'exec sleep 1000"'
    for text in (command + "; echo after",
                 command + " | cat; echo after",
                 "for i in 1 2 3; do " + command + "; done; echo after",
                 "for i in 1 2 3; do " + command + " </dev/null; done; echo after"):
        for program in ("bash", "sh"):
            with script(text, program) as terminal:
                command_pid, _ = ready(terminal)
                terminal.send(b"\x03")
                equal(terminal.finish(), -signal.SIGINT, (program, text))
                true(b"after" not in terminal.output, terminal.output)
                eventually(lambda: not is_alive(command_pid), "the command ended")
                eventually(is_free, "it is released")


@test
def ctrl_c_and_ctrl_backslash_are_heard_around_a_command_that_handles_them():
    for key, name in ((b"\x03", "INT"), (b"\x1c", "QUIT")):
        for place in ("", PIPELINE, " </dev/null"):
            with script("trap 'echo told' %s; " % name + RUN_COUNTER + place + "; echo after; exit 3") as terminal:
                _, redis_lock = ready(terminal)
                terminal.send(key)
                terminal.expect(b"caught SIG" + name.encode())
                os.kill(redis_lock, signal.SIGUSR1)
                terminal.expect(b"told\r\nafter\r\n")
                equal((terminal.finish(), terminal.output.count(b"told")), (3, 1), (name, place))
            eventually(is_free, "it is released")


@test
def signals_of_others_stay_with_the_command():
    with script("trap 'echo told' INT; " + RUN_COUNTER + "; echo after") as terminal:
        _, redis_lock = ready(terminal)
        os.kill(redis_lock, signal.SIGINT)
        terminal.expect(b"caught SIGINT")
        os.kill(redis_lock, signal.SIGUSR1)
        terminal.expect(b"after")
        equal((terminal.finish(), terminal.output.count(b"told")), (0, 0))


@test
def ctrl_c_at_any_moment_ends_a_loop():
    # Not bash: it goes on when the interrupt comes as a command is ending by itself, whatever the command.
    for moment in range(30):
        with script('echo done; while :; do "$R" run foo true; echo done; done', "sh") as terminal:
            for _ in range(1 + moment % 3):
                terminal.expect(b"done")
            terminal.send(b"\x03")
            equal(terminal.finish(), -signal.SIGINT)
            eventually(is_free, "it is released")


@test
def ctrl_c_while_the_lock_is_released_ends_a_loop():
    # The release takes as long as the server stands still, or redis-lock is patient.
    command = 'sh -c "kill -STOP $SERVER; %sexit 0"' % READY.replace("$", "\\$")
    with script('while :; do "$R" run foo %s; done' % command, SERVER=str(support.server.process.pid)) as terminal:

        def pressed_in_time():
            try:
                pid, _ = ready(terminal)
                eventually(lambda: not is_alive(pid) and terminal.foreground() != pid, "redis-lock has the terminal")
                terminal.send(b"\x03")
                terminal.expect(rb"\^C")
            finally:
                support.server.process.send_signal(signal.SIGCONT)
            eventually(lambda: terminal.ended() or b"ready" in terminal.output[terminal.searched:], "it goes on")
            return terminal.ended()

        eventually(pressed_in_time, "the loop ends")
        equal(terminal.status, -signal.SIGINT)


@test
def command_is_in_the_foreground_of_the_terminal():
    look = "import os; print(\"front\", os.tcgetpgrp(0) == os.getpgrp())"
    with script("\"$R\" run foo \"$PYTHON\" -c '%s'; echo after" % look) as terminal:
        terminal.expect(b"front True\r\nafter\r\n")
        equal(terminal.finish(), 0)


@test
def command_reads_the_terminal_and_gives_it_back():
    with script('"$R" run foo sh -c \'read line; echo "got-$line"\'; read line; echo "shell-$line"') as terminal:
        terminal.send(b"one\n")
        terminal.expect(b"got-one\r\n")
        terminal.send(b"two\n")
        terminal.expect(b"shell-two\r\n")
        equal(terminal.finish(), 0)


@test
def command_in_a_pipeline_gets_the_terminal_when_it_asks():
    command = '"$R" run foo sh -c \'read line </dev/tty; echo "got-$line"\''
    with script(command + ' | cat; read line; echo "shell-$line"') as terminal:
        terminal.send(b"one\n")
        terminal.expect(b"got-one\r\n")
        terminal.send(b"two\n")
        terminal.expect(b"shell-two\r\n")
        equal(terminal.finish(), 0)


# dash can't be stopped while it starts something: it starts it by vfork(), and waits for a child that is stopped.
LOOP = b"\"$R\" run %s foo bash -c '" + READY.encode().replace(b"%", b"%%") + b"while :; do %s; done'\n"
READ = b"\"$R\" run foo sh -c '" + READY.encode() + b"read line; echo \"got-$line\"'"


@test
def ctrl_z_stops_all_and_fg_continues():
    with shell() as terminal:
        terminal.send(READ + b"\n")
        command, redis_lock = ready(terminal)
        for _ in range(2):
            terminal.send(b"\x1a")
            terminal.expect(b"Stopped")
            equal(states(command, redis_lock), "TT")
            terminal.send(b"fg\n")
            eventually(lambda: states(command, redis_lock) == "SS", "both go on")
        terminal.send(b"some line\n")
        terminal.expect(b"got-some line\r\n")
        terminal.send(b"echo status=$?\n")
        terminal.expect(b"status=0\r\n")
        true(is_free(), "it is released")
        terminal.send(b"exit\n")
        equal(terminal.finish(), 0)


@test
def fg_gives_the_terminal_to_who_does_not_ask_for_it():
    with shell() as terminal:
        terminal.send(LOOP % (b"", b"sleep 0.02"))
        command, _ = ready(terminal)
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        equal(terminal.foreground(), terminal.pid)
        terminal.send(b"fg\n")
        eventually(lambda: terminal.foreground() == command, "the command has the terminal")


@test
def ctrl_z_stops_a_pipeline_too():
    with shell() as terminal:
        terminal.send(READ + b" | cat\n")
        command, redis_lock = ready(terminal)
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        eventually(lambda: states(command, redis_lock) == "TT", "both are stopped")
        terminal.send(b"fg\n")
        eventually(lambda: states(command, redis_lock) == "SS", "both go on")
        terminal.send(b"some line\n")
        terminal.expect(b"got-some line\r\n")


@test
def command_that_stops_itself_gives_the_terminal_back():
    with shell() as terminal:
        terminal.send(b"\"$R\" run foo sh -c '" + READY.encode() + b"kill -STOP $$; echo wo''ken; exit 4'\n")
        _, redis_lock = ready(terminal)
        terminal.expect(b"Stopped")
        equal(state_of(redis_lock), "T")
        terminal.send(b"fg\n")
        terminal.expect(b"woken\r\n")
        terminal.send(b"echo status=$?\n")
        terminal.expect(b"status=4\r\n")


@test
def lock_lost_while_stopped_ends_the_command_before_it_goes_on():
    # Two ticks in a millisecond: one would be seen if it went on for as long as it takes to end it.
    ticking = "import os, time; print('ready', os.getpid(), os.getppid(), flush=True)\n" \
              "while True: print('tick', flush=True); time.sleep(0.0005)"
    with shell(TICKING=ticking) as terminal:
        terminal.send(b'"$R" run --ttl 3s foo "$PYTHON" -c "$TICKING"\n')
        command, _ = ready(terminal)
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        eventually(is_free, "the lease has run out")
        equal(state_of(command), "T")
        terminal.send(b"fg\n")
        before = terminal.searched
        found = terminal.expect(b"the lock 'foo' was lost")
        true(b"tick" not in terminal.output[before:found.start()], terminal.output)
        terminal.send(b"echo status=$?\n")
        terminal.expect(b"status=76\r\n")


@test
def reading_in_the_background_stops_it_until_fg():
    with shell() as terminal:
        terminal.send(READ + b" &\n")
        command, redis_lock = ready(terminal)
        eventually(lambda: states(command, redis_lock) == "TT", "both are stopped")
        until_jobs_say(terminal, b"Stopped")
        terminal.send(b"fg\n")
        eventually(lambda: states(command, redis_lock) == "SS", "both go on")
        terminal.send(b"one\n")
        terminal.expect(b"got-one\r\n")


@test
def bg_goes_on_without_the_terminal():
    with shell() as terminal:
        terminal.send(LOOP % (b"", b"sleep 0.02"))
        command, redis_lock = ready(terminal)
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        terminal.send(b"bg\n")
        eventually(lambda: state_of(command) in ("S", "R") and state_of(redis_lock) == "S", "both go on")
        equal(terminal.foreground(), terminal.pid)
        terminal.send(b"kill %1; wait %1; echo status=$?\n")
        terminal.expect(b"status=143\r\n")
        true(is_free(), "it is released")


@test
def terminal_that_the_shell_took_is_not_taken_from_it():
    with shell() as terminal:
        terminal.send(LOOP % (b"", b"sleep 0.02"))
        command, redis_lock = ready(terminal)
        eventually(lambda: terminal.foreground() == command, "the command has the terminal")
        os.kill(redis_lock, signal.SIGSTOP)
        terminal.expect(b"Stopped")
        terminal.send(b"bg\n")
        eventually(lambda: state_of(redis_lock) == "S", "redis-lock goes on")
        equal(terminal.foreground(), terminal.pid)
        os.kill(command, signal.SIGTERM)
        until_jobs_say(terminal, b"Exit 143")
        equal(terminal.foreground(), terminal.pid)


@test
def shell_in_the_command_has_job_control_of_its_own():
    with shell() as terminal:
        terminal.send(b"PS1='out''er> '; \"$R\" run foo env PS1='inn''er> ' bash --norc --noprofile -i\n")
        terminal.expect(b"inner> ")
        inner = terminal.foreground()
        terminal.send(b"sleep 1000\n")
        eventually(lambda: terminal.runs("sleep"), "the inner shell's job has the terminal")
        terminal.send(b"\x1a")
        terminal.expect(b"Stopped")
        eventually(lambda: terminal.foreground() == inner, "the inner shell has it again")
        terminal.send(b"fg\n")
        eventually(lambda: terminal.runs("sleep") and state_of(terminal.foreground()) == "S", "the job goes on")
        terminal.send(b"\x03")
        terminal.expect(b"inner> ")
        terminal.send(b"exit 5\n")
        terminal.expect(b"outer> ")
        terminal.send(b"echo status=$?\n")
        terminal.expect(b"status=5\r\n")


@test
def nobody_to_bring_it_to_the_foreground_is_a_hangup():
    # The shell between is gone, so that nobody does job control for it.
    with shell() as terminal:
        terminal.send(b"( \"$R\" run foo sh -c '" + READY.encode() + b"read line </dev/tty; echo \"got-$line\"' & )\n")
        command, redis_lock = ready(terminal)
        eventually(lambda: not is_alive(command) and not is_alive(redis_lock), "both are gone")
        eventually(is_free, "it is released")
        true(b"got-" not in terminal.output.replace(b"got-$line", b""), terminal.output)


@test
def closed_terminal_ends_the_command():
    with Terminal(support.program, "run", "foo", "sh", "-c", READY + "exec sleep 1000") as terminal:
        command, redis_lock = ready(terminal)
        equal(redis_lock, terminal.pid)
        terminal.close()
        eventually(lambda: not is_alive(command) and not is_alive(redis_lock), "both are gone")
        true(is_free(), "it is released")
