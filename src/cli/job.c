/* SPDX-License-Identifier: MIT
 *
 * Looking after the command: signals, stopping and going on, and what happens when the lock is lost. */
#define _GNU_SOURCE 1
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
	const struct run *run;
	struct terminal terminal;
	pid_t pid; /* also its process group */
	bool interrupted_by_keyboard, interrupted_by_others;
	bool ended;
	int wait_status;
	bool lost, killed;
	int64_t kill_at;
};

static bool is_ending(const struct job *job)
{
	return job->lost && job->run->options->on_lost != ON_LOST_IGNORE;
}

static void lose(struct job *job)
{
	const struct options *options = job->run->options;
	static const char *const actions[] = { [ON_LOST_TERM] = "ending the command",
		                               [ON_LOST_KILL] = "killing the command",
		                               [ON_LOST_IGNORE] = "the command goes on without it" };

	job->lost = true;
	complain("the lock '%s' was lost; %s", options->operands[0], actions[options->on_lost]);
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
}

static void check_lock(struct job *job)
{
	if (!job->lost && !redislock_lock_is_held(job->run->lock)) {
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
	if (job->terminal.wanted && terminal_is_ours(&job->terminal)) {
		terminal_give(&job->terminal, job->pid);
	}
	kill(-job->pid, SIGCONT);
}

static void command_stopped(struct job *job, int number)
{
	bool for_terminal = number == SIGTTIN || number == SIGTTOU;

	if (for_terminal && terminal_is_ours(&job->terminal)) {
		terminal_give(&job->terminal, job->pid);
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
	signals_receive(number, whole_group);
	resume(job);
}

static void look_at_command(struct job *job)
{
	int status;

	while (!job->ended && waitpid(job->pid, &status, WNOHANG | WUNTRACED) == job->pid) {
		if (WIFSTOPPED(status)) {
			command_stopped(job, WSTOPSIG(status));
		} else {
			job->ended = true;
			job->wait_status = status;
		}
	}
}

static void pass_on(struct job *job, const struct signalfd_siginfo *info)
{
	int number = (int)info->ssi_signo;

	if (number == SIGCHLD) {
		return; /* look_at_command() is called in any case */
	}
	if (number == SIGCONT) {
		resume(job);
		return;
	}
	if (number == SIGINT) {
		bool from_keyboard = info->ssi_code == SI_KERNEL;
		job->interrupted_by_keyboard |= from_keyboard;
		job->interrupted_by_others |= !from_keyboard;
	}
	kill(-job->pid, number);
}

static void read_signals(struct job *job, int fd)
{
	struct signalfd_siginfo info;

	while (!job->ended && read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
		pass_on(job, &info);
	}
}

static bool group_is_gone(const struct job *job)
{
	return kill(-job->pid, 0) != 0 && errno == ESRCH;
}

static bool is_over(const struct job *job)
{
	return job->ended && (!is_ending(job) || job->killed || group_is_gone(job));
}

static int next_look(const struct job *job)
{
	int64_t wait = -1;

	if (is_ending(job) && !job->killed) {
		wait = job->kill_at - monotonic_ms();
		/* Grandchildren are not ours to wait for. */
		wait = job->ended && wait > GROUP_POLL_MS ? GROUP_POLL_MS : wait < 0 ? 0 : wait;
	} else if (!job->lost) {
		wait = redislock_lock_remaining_ms(job->run->lock);
		wait = wait == REDISLOCK_NO_EXPIRY ? -1 : wait + 1;
	}
	return wait > LONGEST_POLL_MS ? LONGEST_POLL_MS : (int)wait;
}

static void supervise(struct job *job, int signals)
{
	struct pollfd fds[2] = { { .fd = signals, .events = POLLIN },
		                 { .fd = redislock_client_lost_fd(job->run->client), .events = POLLIN } };
	uint64_t count;

	for (;;) {
		int ready = poll(fds, 2, next_look(job));
		if (ready > 0 && fds[1].revents != 0 && read(fds[1].fd, &count, sizeof count) < 0) {
			fds[1].fd = -1;
		}
		check_lock(job);
		read_signals(job, signals);
		look_at_command(job);
		if (is_ending(job) && !job->killed && monotonic_ms() >= job->kill_at) {
			kill(-job->pid, SIGKILL);
			job->killed = true;
		}
		if (is_over(job)) {
			return;
		}
	}
}

static enum interrupt interrupt_of(const struct job *job, bool had_terminal)
{
	if (job->lost || !WIFSIGNALED(job->wait_status) || WTERMSIG(job->wait_status) != SIGINT) {
		return INTERRUPT_NONE;
	}
	if (job->interrupted_by_keyboard) {
		return INTERRUPT_SELF;
	}
	return had_terminal && !job->interrupted_by_others ? INTERRUPT_GROUP : INTERRUPT_NONE;
}

static int exit_status_of(const struct job *job)
{
	if (job->lost) {
		return EXIT_LOST;
	}
	return WIFSIGNALED(job->wait_status) ? EXIT_SIGNAL + WTERMSIG(job->wait_status) : WEXITSTATUS(job->wait_status);
}

int job_run(struct run *run, int signals)
{
	struct job job = { .run = run };

	terminal_open(&job.terminal);
	job.pid = job_start(run, &job.terminal);
	if (job.pid < 0) {
		complain("can't start a process: %s", strerror(errno));
		return EXIT_INTERNAL;
	}
	supervise(&job, signals);
	run->interrupt = interrupt_of(&job, job.terminal.given);
	terminal_take_back(&job.terminal);
	if (run->options->verbose) {
		complain("the command ended with %s %d", WIFSIGNALED(job.wait_status) ? "signal" : "status",
		         WIFSIGNALED(job.wait_status) ? WTERMSIG(job.wait_status) : WEXITSTATUS(job.wait_status));
	}
	return exit_status_of(&job);
}
