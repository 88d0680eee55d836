/* SPDX-License-Identifier: MIT
 *
 * Looking after the command: signals, stopping and going on, and what happens when the lock is lost. */
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GROUP_POLL_MS = 20, LONGEST_POLL_MS = 3600000 };

struct job {
	struct run *run;
	struct terminal terminal;
	struct guard guard;
	pid_t pid;        /* also its process group */
	bool interrupted; /* by Ctrl-C, as the command was by us */
	bool ended;
	int wait_status;
	bool killed, hung_up;
	int64_t kill_at;
};

static bool is_ending(const struct job *job)
{
	return job->run->lost && job->run->options->on_lost != ON_LOST_IGNORE;
}

static void lose(struct job *job)
{
	const struct options *options = job->run->options;
	static const char *const actions[] = { [ON_LOST_TERM] = "ending the command",
		                               [ON_LOST_KILL] = "killing the command",
		                               [ON_LOST_IGNORE] = "the command goes on without it" };

	job->run->lost = true;
	switch (options->on_lost) {
	case ON_LOST_TERM:
		kill(-job->pid, SIGTERM);
		kill(-job->pid, SIGCONT);
		job->kill_at = options->grace_ms < 0 ? INT64_MAX : monotonic_ms() + options->grace_ms;
		break;
	case ON_LOST_KILL:
		kill(-job->pid, SIGKILL);
		job->killed = true;
		break;
	case ON_LOST_IGNORE:
		break;
	}
	mention("the lock '%s' was lost; %s", options->operands[0], actions[options->on_lost]);
}

static void check_lock(struct job *job)
{
	if (!job->run->lost && !redislock_lock_is_held(job->run->lock)) {
		lose(job);
	}
}

/* The command goes on only while the lock is held: it may have been lost while all stood still. */
static void resume(struct job *job)
{
	check_lock(job);
	if (is_ending(job)) {
		return;
	}
	terminal_look(&job->terminal);
	if (job->terminal.wanted && terminal_is_ours(&job->terminal)) {
		terminal_give(&job->terminal);
	}
	kill(-job->pid, SIGCONT);
}

/* It wants a terminal that it can't get: nobody is there to put it into the foreground. The kernel hangs up on such a
 * process group when it becomes one. */
static void hang_up(struct job *job)
{
	if (!job->hung_up) {
		job->hung_up = true;
		kill(-job->pid, SIGHUP);
		kill(-job->pid, SIGCONT);
	}
}

static void command_stopped(struct job *job, int number)
{
	bool for_terminal = number == SIGTTIN || number == SIGTTOU;

	if (for_terminal && terminal_is_ours(&job->terminal)) {
		terminal_give(&job->terminal);
		kill(-job->pid, SIGCONT);
		return;
	}
	if (is_ending(job)) {
		return;
	}
	if (number == SIGSTOP && job->terminal.given) {
		number = SIGTSTP; /* a shell that suspends itself must not leave us alone with the terminal */
	}
	if (number != SIGTSTP && !for_terminal) {
		return; /* somebody means the command alone */
	}
	/* With the terminal the command alone got what the terminal would have sent to us all. */
	bool whole_group = job->terminal.given;
	terminal_take_back(&job->terminal);
	if (signals_stop(number, whole_group) || !for_terminal) {
		resume(job);
	} else {
		hang_up(job);
	}
}

/* As the first process of a container redis-lock is the parent of all that the command left behind, too. */
static void look_at_children(struct job *job)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (pid == job->guard.pid && !WIFSTOPPED(status)) {
			job->guard.pid = 0; /* somebody killed it */
		} else if (pid == job->pid && WIFSTOPPED(status)) {
			command_stopped(job, WSTOPSIG(status));
		} else if (pid == job->pid && !job->ended) {
			job->ended = true;
			job->wait_status = status;
			/* First the terminal: a key must find the guard or us. */
			terminal_take_back(&job->terminal);
			job->run->untold = guard_end(&job->guard);
		}
	}
}

static void pass_on(struct job *job, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;

	if (number == SIGCHLD) {
		look_at_children(job);
		return;
	}
	if (number == SIGCONT) {
		resume(job);
		return;
	}
	if (number == SIGPIPE && info->ssi_pid == (uint32_t)getpid()) {
		return; /* nobody reads our messages */
	}
	if (number == SIGINT && info->ssi_code == SI_KERNEL) {
		job->interrupted = true;
	}
	kill(-job->pid, number);
}

static bool group_is_gone(const struct job *job)
{
	return kill(-job->pid, 0) != 0 && errno == ESRCH;
}

static bool is_over(const struct job *job)
{
	return job->ended && (!is_ending(job) || job->killed || group_is_gone(job));
}

/* What comes when all is over stays pending, for redis-lock itself. */
static void read_signals(struct job *job)
{
	struct signalfd_siginfo info;

	while (!is_over(job) && read(job->run->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		pass_on(job, &info);
	}
}

static int next_look(const struct job *job)
{
	int64_t wait = -1;

	if (is_ending(job) && !job->killed) {
		wait = job->kill_at - monotonic_ms();
		/* Grandchildren are not ours to wait for. */
		wait = job->ended && wait > GROUP_POLL_MS ? GROUP_POLL_MS : wait < 0 ? 0 : wait;
	} else if (!job->run->lost) {
		wait = redislock_lock_remaining_ms(job->run->lock);
		wait = wait == REDISLOCK_NO_EXPIRY ? -1 : wait + 1;
	}
	return wait > LONGEST_POLL_MS ? LONGEST_POLL_MS : (int)wait;
}

static void supervise(struct job *job)
{
	struct pollfd fds[2] = { { .fd = job->run->signals, .events = POLLIN },
		                 { .fd = redislock_client_lost_fd(job->run->client), .events = POLLIN } };
	uint64_t count;

	for (;;) {
		int ready = poll(fds, 2, next_look(job));
		if (ready > 0 && fds[1].revents != 0 && read(fds[1].fd, &count, sizeof count) < 0) {
			fds[1].fd = -1;
		}
		check_lock(job);
		look_at_children(job);
		read_signals(job);
		if (is_ending(job) && !job->killed && monotonic_ms() >= job->kill_at) {
			kill(-job->pid, SIGKILL);
			job->killed = true;
		}
		if (is_over(job)) {
			return;
		}
	}
}

static int exit_status_of(const struct job *job)
{
	if (job->run->lost) {
		return EXIT_LOST;
	}
	return WIFSIGNALED(job->wait_status) ? EXIT_SIGNAL + WTERMSIG(job->wait_status) : WEXITSTATUS(job->wait_status);
}

int job_run(struct run *run)
{
	struct job job = { .run = run };

	terminal_open(&job.terminal);
	job.pid = job_start(run, &job.terminal, &job.guard);
	if (job.pid < 0) {
		complain("can't start a process: %s", strerror(errno));
		return EXIT_INTERNAL;
	}
	supervise(&job);
	run->interrupted = (job.interrupted || (run->untold & KEY_INTERRUPT) != 0) && WIFSIGNALED(job.wait_status) &&
	                   WTERMSIG(job.wait_status) == SIGINT;
	if (run->options->verbose) {
		mention("the command ended with %s %d", WIFSIGNALED(job.wait_status) ? "signal" : "status",
		        WIFSIGNALED(job.wait_status) ? WTERMSIG(job.wait_status) : WEXITSTATUS(job.wait_status));
	}
	return exit_status_of(&job);
}
