/* SPDX-License-Identifier: MIT
 *
 * Who is waited for: one line that is kept up to date on a terminal, or with --verbose a line for each change. A thread
 * looks at the lock meanwhile; it shares the client's connections, and the wait itself isn't disturbed. */
#include "run.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_MS = 250, REFRESH_MS = 1000 };

struct display {
	const struct run *run;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool stop;
	bool live; /* on a terminal that can rewrite a line */
	bool drawn;
	int64_t start;
	char *said; /* the last line of --verbose, without its times */
};

static void print_name(FILE *out, const struct run *run)
{
	print_visible(out, run->options->operands[0], strlen(run->options->operands[0]));
}

static void print_place(FILE *out, const struct run *run, const redislock_info *info)
{
	int64_t before = redislock_lock_place(run->lock), waiters = redislock_info_waiters(info);

	if (before >= 0) {
		fprintf(out, ", place %" PRId64 " of %" PRId64, before + 1, waiters > before ? waiters : before + 1);
	} else if (waiters > 0) {
		fprintf(out, ", %" PRId64 " in the queue", waiters);
	}
}

static void print_times(FILE *out, const struct display *display, const redislock_info *info)
{
	int64_t remaining = redislock_info_remaining_ms(info);

	if (remaining == REDISLOCK_NO_EXPIRY) {
		fputs(", lease without an end", out);
	} else {
		fputs(", lease ", out);
		print_duration(out, remaining);
	}
	fputs(", waiting for ", out);
	print_duration(out, monotonic_ms() - display->start);
}

/* Whoever has the terminal meanwhile, as a shell after bg, is not to be disturbed. */
static bool is_in_background(void)
{
	pid_t foreground = tcgetpgrp(STDERR_FILENO);
	return foreground >= 0 && foreground != getpgrp();
}

/* The terminal itself cuts a line that is too long, with automatic wrapping turned off: it knows how wide things are.
 */
static void draw(struct display *display, const redislock_info *info)
{
	char *line = NULL;
	size_t length;
	FILE *out = open_memstream(&line, &length);

	if (out == NULL) {
		return;
	}
	fputs("\r\033[K\033[?7l", out);
	fputs("redis-lock: '", out);
	print_name(out, display->run);
	fputs("' is held by ", out);
	print_holder(out, info);
	print_place(out, display->run, info);
	print_times(out, display, info);
	fputs("\033[?7h", out);
	if (fclose(out) == 0 && write(STDERR_FILENO, line, length) > 0) {
		display->drawn = true;
	}
	free(line);
}

static void say(struct display *display, const redislock_info *info)
{
	char *line = NULL;
	size_t length;
	FILE *out = open_memstream(&line, &length);

	if (out == NULL) {
		return;
	}
	fputs("waiting for '", out);
	print_name(out, display->run);
	fputs("', held by ", out);
	print_holder(out, info);
	print_place(out, display->run, info);
	if (fclose(out) != 0) {
		free(line);
		return;
	}
	if (display->said == NULL || strcmp(display->said, line) != 0) {
		complain_visibly(line);
	}
	free(display->said);
	display->said = line;
}

static void refresh(struct display *display)
{
	const char *name = display->run->options->operands[0];
	redislock_info *info;

	/* A failure is the waiting call's to report. */
	if (redislock_info_get(display->run->client, name, strlen(name), &info) != REDISLOCK_OK) {
		return;
	}
	pthread_mutex_lock(&display->mutex);
	if (!display->stop && redislock_info_locked(info)) {
		if (display->live && !is_in_background()) {
			draw(display, info);
		} else if (!display->live) {
			say(display, info);
		}
	}
	pthread_mutex_unlock(&display->mutex);
	redislock_info_free(info);
}

/* Returns false when it was told to stop. */
static bool pause_for(struct display *display, int64_t pause_ms)
{
	struct timespec until;
	int failure = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(pause_ms % 1000) * 1000000;
	until.tv_sec += (time_t)(pause_ms / 1000) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&display->mutex);
	while (!display->stop && failure == 0) {
		failure = pthread_cond_timedwait(&display->changed, &display->mutex, &until);
	}
	bool go_on = !display->stop;
	pthread_mutex_unlock(&display->mutex);
	return go_on;
}

static void *show(void *context)
{
	struct display *display = context;

	for (int64_t pause = FIRST_MS; pause_for(display, pause); pause = REFRESH_MS) {
		refresh(display);
	}
	return NULL;
}

static bool can_rewrite_lines(void)
{
	const char *kind = getenv("TERM");
	return isatty(STDERR_FILENO) && kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0;
}

struct display *display_start(const struct run *run)
{
	bool live = !run->options->quiet && can_rewrite_lines();
	sigset_t all, before;

	if ((!live && !run->options->verbose) || run->options->wait_ms == 0) {
		return NULL;
	}
	struct display *display = calloc(1, sizeof *display);
	if (display == NULL) {
		return NULL;
	}
	display->run = run;
	display->live = live;
	display->start = monotonic_ms();
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&display->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&display->mutex, NULL);
	/* Signals are for the thread that waits. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failure = pthread_create(&display->thread, NULL, show, display);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure != 0) {
		free(display);
		return NULL;
	}
	return display;
}

void display_stop(struct display *display)
{
	if (display == NULL) {
		return;
	}
	pthread_mutex_lock(&display->mutex);
	display->stop = true;
	pthread_cond_signal(&display->changed);
	pthread_mutex_unlock(&display->mutex);
	pthread_join(display->thread, NULL);
	if (display->drawn && !is_in_background() && write(STDERR_FILENO, "\r\033[K", 4) < 0) {
		/* The terminal is gone, and the line with it. */
	}
	pthread_cond_destroy(&display->changed);
	pthread_mutex_destroy(&display->mutex);
	free(display->said);
	free(display);
}
