/* SPDX-License-Identifier: MIT */
#include "handoff.h"

#include "bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WORKERS = 4096, MOST_SAMPLES = 1 << 20 };

/* Shared by all processes. What is not atomic is touched by the lock's holder alone. */
struct board {
	pthread_barrier_t start;
	atomic_uint stop, inside;
	uint64_t released_at;
	unsigned released_by;
	uint64_t acquired, changed, all; /* all: those after the end as well */
	uint32_t counts[MOST_WORKERS];
	uint32_t
	        samples[MOST_SAMPLES]; /* from the call of a release to the return of another worker's acquire, in ns */
};

struct worker {
	const struct handoff_kind *kind;
	struct board *board;
	void *shared;
	unsigned number; /* from 1 */
};

static void died_early(int number)
{
	static const char text[] = "a process ended before the start\n";

	(void)number;
	_exit(write(STDERR_FILENO, text, sizeof text - 1) < 0 ? 2 : 1);
}

static void note(struct board *board, unsigned number)
{
	uint64_t now = bench_now_ns();

	if (atomic_exchange(&board->inside, number) != 0)
		bench_die("two holders at once");
	if (!atomic_load_explicit(&board->stop, memory_order_relaxed)) {
		if (board->released_by && board->released_by != number) {
			if (board->changed < MOST_SAMPLES)
				board->samples[board->changed] = (uint32_t)(now - board->released_at);
			board->changed++;
		}
		board->acquired++;
		board->counts[number - 1]++;
	}
	board->all++;
	board->released_by = number;
	atomic_store(&board->inside, 0);
	board->released_at = bench_now_ns();
}

static void *work(void *argument)
{
	struct worker *self = argument;
	struct board *board = self->board;
	void *lock = self->kind->join(self->shared);

	pthread_barrier_wait(&board->start);
	while (!atomic_load_explicit(&board->stop, memory_order_relaxed)) {
		self->kind->acquire(lock);
		note(board, self->number);
		self->kind->release(lock);
	}
	return NULL;
}

static void run_process(const struct handoff_kind *kind, struct board *board, char **argv, unsigned process,
                        unsigned threads)
{
	struct worker *workers = calloc(threads, sizeof *workers);
	pthread_t *ids = calloc(threads, sizeof *ids);
	void *shared = kind->open(argv[1], argv[2], threads);
	pthread_attr_t small;

	if (!workers || !ids)
		bench_die("out of memory");
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 128 * 1024);
	for (unsigned i = 0; i < threads; i++) {
		workers[i] = (struct worker) { kind, board, shared, process * threads + i + 1 };
		if (pthread_create(&ids[i], &small, work, &workers[i]))
			bench_die("can't start thread %u", i);
	}
	for (unsigned i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	_exit(0);
}

int handoff_main(int argc, char **argv, const struct handoff_kind *kind)
{
	struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned processes, threads, workers;
	uint64_t duration, begin, end;
	bool failed = false;
	pthread_barrierattr_t attributes;

	if (argc != 6)
		bench_die("usage: %s URL NAME PROCESSES THREADS MILLISECONDS", argv[0]);
	processes = (unsigned)bench_number(argv[3], 1, MOST_WORKERS);
	threads = (unsigned)bench_number(argv[4], 1, MOST_WORKERS / processes);
	duration = bench_number(argv[5], 1, 600000) * 1000000;
	workers = processes * threads;
	if (board == MAP_FAILED)
		bench_die("out of memory");
	pthread_barrierattr_init(&attributes);
	pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&board->start, &attributes, workers + 1);
	signal(SIGCHLD, died_early);
	for (unsigned i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child < 0)
			bench_die("can't fork");
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			run_process(kind, board, argv, i, threads);
		}
	}
	pthread_barrier_wait(&board->start);
	signal(SIGCHLD, SIG_DFL);
	begin = bench_now_ns();
	clock_nanosleep(CLOCK_MONOTONIC, 0,
	                &(struct timespec) { (time_t)(duration / 1000000000), (long)(duration % 1000000000) }, NULL);
	atomic_store(&board->stop, 1);
	end = bench_now_ns();
	for (unsigned i = 0; i < processes; i++) {
		int status;

		failed |= wait(&status) < 0 || status != 0;
	}
	if (failed)
		bench_die("a process failed");
	printf("{\"acquisitions\": %llu, \"all\": %llu, \"changed\": %llu, \"seconds\": %.6f, \"p50_us\": %.3f, "
	       "\"p99_us\": %.3f, "
	       "\"jain\": %.4f}\n",
	       (unsigned long long)board->acquired, (unsigned long long)board->all, (unsigned long long)board->changed,
	       (double)(end - begin) / 1e9,
	       bench_quantile(board->samples, board->changed < MOST_SAMPLES ? board->changed : MOST_SAMPLES, 0.5) / 1e3,
	       bench_quantile(board->samples, board->changed < MOST_SAMPLES ? board->changed : MOST_SAMPLES, 0.99) /
	               1e3,
	       bench_fairness(board->counts, workers));
	return 0;
}
