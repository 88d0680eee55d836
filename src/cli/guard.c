/* SPDX-License-Identifier: MIT
 *
 * The guard: a process of ours in the command's process group, for two things that can't be had from outside it.
 *
 * It hears Ctrl-C and Ctrl-\ on a terminal whose foreground is that group. Scripts and loops around redis-lock must
 * hear of these as well, also when the command makes something else of them than to die.
 *
 * And it outlives a redis-lock that is killed. The kernel tells only the command itself; the guard ends the rest. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MS = 20 };

/* Nobody renews the lock any more. The guard blocks SIGTERM; being in the group it keeps its number from going to
 * another one. */
static void end_group(pid_t command, const struct options *options)
{
	int64_t until = options->grace_ms < 0 ? INT64_MAX : monotonic_ms() + options->grace_ms;

	if (options->on_lost == ON_LOST_IGNORE) {
		return;
	}
	if (options->on_lost == ON_LOST_KILL) {
		kill(0, SIGKILL);
	}
	/* The command had its SIGTERM from the kernel, and may tidy up before its family is told. */
	kill(0, SIGCONT);
	while (kill(command, 0) == 0 && monotonic_ms() < until) {
		monotonic_sleep(POLL_MS);
	}
	kill(0, SIGTERM);
	if (until != INT64_MAX) {
		int64_t rest = until - monotonic_ms();
		monotonic_sleep(rest > 0 ? rest : 0);
		kill(0, SIGKILL);
	}
}

static _Noreturn void keep_guard(const struct run *run, pid_t command, int line)
{
	struct pollfd fds[2] = { { .fd = line, .events = POLLIN }, { .fd = run->signals, .events = POLLIN } };
	unsigned keys = 0;
	char farewell;

	/* They hold connections to the server. */
	redislock_lock_free(run->lock);
	redislock_client_free(run->client);
	let_go_of_input_and_output();
	while (fds[0].revents == 0) {
		poll(fds, 2, -1);
		keys |= signals_keys(run->signals); /* a child reads its own signals from the descriptor */
	}
	if (read(line, &farewell, 1) != 1) {
		close(STDERR_FILENO);
		end_group(command, run->options);
	}
	_exit((int)(keys | signals_keys(run->signals)));
}

bool guard_start(struct guard *guard, const struct run *run, pid_t command)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		return false;
	}
	guard->line = ends[1];
	guard->pid = fork();
	if (guard->pid == 0) {
		if (setpgid(0, command) != 0) {
			_exit(0); /* what it does to its group must not be done to another one */
		}
		close(ends[1]);
		keep_guard(run, command, ends[0]);
	}
	int failure = errno;
	close(ends[0]);
	if (guard->pid < 0) {
		close(ends[1]);
		errno = failure;
		return false;
	}
	setpgid(guard->pid, command); /* whoever of the two comes first */
	return true;
}

/* A key reaches all of the group before any of them can be waited for, so the guard has it, if only pending. */
unsigned guard_end(struct guard *guard)
{
	int status = 0;

	if (write(guard->line, "", 1) != 1) {
		/* It doesn't listen any more. */
	}
	close(guard->line);
	if (guard->pid == 0) {
		return 0;
	}
	kill(guard->pid, SIGCONT);
	if (waitpid(guard->pid, &status, 0) != guard->pid || !WIFEXITED(status)) {
		return 0;
	}
	return (unsigned)WEXITSTATUS(status);
}
