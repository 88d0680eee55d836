/* SPDX-License-Identifier: MIT
 *
 * The parts of redis-lock run: wait for the lock, start the command, look after it. */
#ifndef REDISLOCK_CLI_RUN_H
#define REDISLOCK_CLI_RUN_H

#include "cli.h"

#include <sys/types.h>

/* Keys that the terminal turns into signals. */
enum { KEY_INTERRUPT = 1, KEY_QUIT = 2 };

struct run {
	const struct options *options;
	redislock_client *client;
	redislock_lock *lock;
	int signals;      /* the descriptor, or -1 */
	bool lost;        /* and it was told */
	bool interrupted; /* Ctrl-C ended the wait or the command: so it must be seen to have ended redis-lock */
	unsigned untold;  /* keys that the command's process group got from the terminal, and ours didn't */
};

/* signals.c
 *
 * While the lock is waited for, a signal interrupts the wait; while the command runs, signals are read from a
 * descriptor. What was inherited is kept for the command. */
struct caught {
	int number;         /* 0 for none */
	bool from_keyboard; /* the terminal sent it, as for Ctrl-C */
};

void signals_interrupt(redislock_client *client);
struct caught signals_caught(void);
int signals_descriptor(void); /* from here on signals are blocked; -1 on failure */
/* Back to what was inherited, for the command; also when a wait was given up, so that the next signal ends us. */
void signals_inherited(void);
/* Reads all that is pending; the keys among it. What redis-lock itself passes on comes from no key. */
unsigned signals_keys(int descriptor);
/* Sends a stop signal to redis-lock itself, or its process group, and lets it in. False if nothing stopped. */
bool signals_stop(int number, bool whole_group);
/* What the terminal sent to the command alone is sent to our process group, redis-lock excepted. Signals are blocked.
 */
void signals_tell_group(unsigned keys);
void signals_die_of_interrupt(void);

/* terminal.c
 *
 * The command has a process group of its own, so it must be put into the terminal's foreground as a shell does it. */
struct terminal {
	int fd;      /* the controlling terminal, or -1 */
	pid_t group; /* the command's */
	bool given;  /* to the command */
	bool wanted; /* by the command, whenever redis-lock is in the foreground */
};

void terminal_open(struct terminal *terminal);
bool terminal_is_ours(const struct terminal *terminal);
void terminal_give(struct terminal *terminal);
void terminal_take_back(struct terminal *terminal);
void terminal_look(struct terminal *terminal); /* after having been stopped, when a shell may have taken it */

/* guard.c: a process in the command's process group that hears the keys, and outlives a killed redis-lock. */
struct guard {
	pid_t pid; /* 0 when it is gone already */
	int line;  /* redis-lock's end of a pipe */
};

bool guard_start(struct guard *guard, const struct run *run, pid_t command);
unsigned guard_end(struct guard *guard); /* the keys that it heard; call it when the command was waited for */

/* job.c: runs the command while the lock is held; the exit status. */
int job_run(struct run *run);

/* start.c: the child's process id, or -1 with errno. */
pid_t job_start(const struct run *run, struct terminal *terminal, struct guard *guard);
void let_go_of_input_and_output(void);

/* display.c: who is waited for, on a terminal or for --verbose. */
struct display;
struct display *display_start(const struct run *run); /* NULL when there is nothing to show */
void display_stop(struct display *display);

#endif
