/* SPDX-License-Identifier: MIT
 *
 * Many who take one lock in turns, release at once and queue again: the measuring around it. */
#ifndef BENCH_HANDOFF_H
#define BENCH_HANDOFF_H

struct handoff_kind {
	void *(*open)(const char *url, const char *name,
	              unsigned threads); /* in each process: what its threads share */
	void *(*join)(void *shared);     /* for each thread: its lock */
	void (*acquire)(void *lock);
	void (*release)(void *lock);
};

/* Arguments: URL NAME PROCESSES THREADS MILLISECONDS. Runs one round and writes a line of JSON. Two at once inside of
 * the lock end the program. */
int handoff_main(int argc, char **argv, const struct handoff_kind *kind);

#endif
