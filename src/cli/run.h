/* SPDX-License-Identifier: MIT
 *
 * The parts of redis-lock run: wait for the lock, start the command, look after it. */
#ifndef REDISLOCK_CLI_RUN_H
#define REDISLOCK_CLI_RUN_H

#include "cli.h"

#include <sys/types.h>

/* Ctrl-C ended the wait or the command: then it must be seen to have ended redis-lock, too, and the rest of its process
 * group where the terminal didn't tell them. */
enum interrupt { INTERRUPT_NONE, INTERRUPT_SELF, INTERRUPT_GROUP };

struct run {
	const struct options *options;
	redislock_client *client;
	redislock_lock *lock;
	enum interrupt interrupt;
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
int signals_descriptor(void); /* from here on all signals are blocked; -1 on failure */
void signals_inherited(void); /* in the child */
/* Sends a signal to redis-lock itself, or its process group, and lets it in. */
void signals_receive(int number, bool whole_group);
void signals_die_of_interrupt(bool whole_group);

/* terminal.c
 *
 * The command has a process group of its own, so it must be put into the terminal's foreground as a shell does it. */
struct terminal {
	int fd;      /* the controlling terminal, or -1 */
	bool given;  /* to the command */
	bool wanted; /* by the command, whenever redis-lock is in the foreground */
};

void terminal_open(struct terminal *terminal);
bool terminal_is_ours(const struct terminal *terminal);
void terminal_give(struct terminal *terminal, pid_t group);
void terminal_take_back(struct terminal *terminal);

/* job.c: runs the command while the lock is held, with the descriptor of the signals; the exit status. */
int job_run(struct run *run, int signals);

/* start.c: the child's process id, or -1 with errno. */
pid_t job_start(const struct run *run, struct terminal *terminal);

/* display.c: who is waited for, on a terminal or for --verbose. */
struct display;
struct display *display_start(const struct run *run); /* NULL when there is nothing to show */
void display_stop(struct display *display);

#endif
