/* SPDX-License-Identifier: MIT
 *
 * Starting the command. */
#define _GNU_SOURCE 1
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static _Noreturn void become_command(const struct run *run, struct terminal *terminal, pid_t parent)
{
	char **command = run->options->operands + 1;
	enum on_lost on_lost = run->options->on_lost;

	setpgid(0, 0);
	if (terminal->wanted) {
		terminal_give(terminal, getpid());
	}
	if (on_lost != ON_LOST_IGNORE) {
		/* Nobody would renew the lock any more. */
		prctl(PR_SET_PDEATHSIG, on_lost == ON_LOST_KILL ? SIGKILL : SIGTERM);
		if (getppid() != parent) {
			_exit(EXIT_LOST);
		}
	}
	signals_inherited();
	execvp(command[0], command);
	int failure = errno;
	complain("can't run '%s': %s", command[0], strerror(failure));
	_exit(failure == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static bool set_environment(const struct run *run)
{
	char token[129], fence[32];

	redislock_lock_token(run->lock, token, sizeof token);
	snprintf(fence, sizeof fence, "%llu", (unsigned long long)redislock_lock_fence(run->lock));
	return setenv("REDISLOCK_NAME", run->options->operands[0], 1) == 0 &&
	       setenv("REDISLOCK_TOKEN", token, 1) == 0 && setenv("REDISLOCK_FENCE", fence, 1) == 0;
}

pid_t job_start(const struct run *run, struct terminal *terminal)
{
	pid_t parent = getpid();

	if (!set_environment(run)) {
		return -1;
	}
	pid_t child = fork();
	if (child == 0) {
		become_command(run, terminal, parent);
	}
	if (child > 0) {
		/* Whoever of the two comes first. */
		setpgid(child, child);
		if (terminal->wanted) {
			terminal_give(terminal, child);
		}
	}
	return child;
}
