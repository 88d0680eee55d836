/* SPDX-License-Identifier: MIT
 *
 * Starting the command. It begins when all is ready for it: its process group, the guard in there, the terminal. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void become_command(const struct run *run, pid_t parent, int start)
{
	char **command = run->options->operands + 1;
	enum on_lost on_lost = run->options->on_lost;
	char go;

	if (on_lost != ON_LOST_IGNORE) {
		/* Nobody would renew the lock any more. */
		prctl(PR_SET_PDEATHSIG, on_lost == ON_LOST_KILL ? SIGKILL : SIGTERM);
	}
	if (read(start, &go, 1) != 1 || getppid() != parent) {
		_exit(EXIT_LOST); /* redis-lock is gone */
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
	snprintf(fence, sizeof fence, "%" PRIu64, redislock_lock_fence(run->lock));
	return setenv("REDISLOCK_NAME", run->options->operands[0], 1) == 0 &&
	       setenv("REDISLOCK_TOKEN", token, 1) == 0 && setenv("REDISLOCK_FENCE", fence, 1) == 0;
}

/* They are the command's alone: who is at the other end of a pipe must notice when the command closes it. */
void let_go_of_input_and_output(void)
{
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (nowhere >= 0) {
		dup2(nowhere, STDIN_FILENO);
		dup2(nowhere, STDOUT_FILENO);
		close(nowhere);
	}
}

pid_t job_start(const struct run *run, struct terminal *terminal, struct guard *guard)
{
	pid_t parent = getpid(), child = -1;
	int start[2];

	if (!set_environment(run) || pipe2(start, O_CLOEXEC) != 0) {
		return -1;
	}
	child = fork();
	if (child == 0) {
		close(start[1]);
		become_command(run, parent, start[0]);
	}
	if (child > 0) {
		setpgid(child, child);
		if (!guard_start(guard, run, child)) {
			int failure = errno;
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
			errno = failure;
			child = -1;
		}
	}
	if (child > 0) {
		terminal->group = child;
		if (terminal->wanted) {
			terminal_give(terminal);
		}
		if (write(start[1], "", 1) != 1) {
			/* It was killed already. */
		}
		let_go_of_input_and_output();
	}
	int failure = errno;
	close(start[0]);
	close(start[1]);
	errno = failure;
	return child;
}
