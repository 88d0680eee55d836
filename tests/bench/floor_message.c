/* SPDX-License-Identifier: MIT
 *
 * The floor of being woken: two processes send one message to and fro. Usage: floor_message URL NAME MILLISECONDS */
#include "bench.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_SAMPLES = 1 << 20 };

/* Touched only by whoever the message is with. */
struct board {
	uint64_t sent_at, received;
	atomic_int stop;
	uint32_t samples[MOST_SAMPLES];
};

struct player {
	redisContext *commands, *messages;
	char other[160];
};

static void subscribe(struct player *self, const char *url, const char *name, int side)
{
	char mine[160];

	self->commands = bench_connect(url);
	self->messages = bench_connect(url);
	snprintf(mine, sizeof mine, "%s-%d", name, side);
	snprintf(self->other, sizeof self->other, "%s-%d", name, !side);
	freeReplyObject(bench_check(self->messages, redisCommand(self->messages, "SUBSCRIBE %s", mine)));
}

static void throw(struct player * self, struct board *board)
{
	board->sent_at = bench_now_ns();
	freeReplyObject(bench_check(self->commands, redisCommand(self->commands, "PUBLISH %s ball", self->other)));
}

static void play(struct player *self, struct board *board, uint64_t end)
{
	while (!board->stop) {
		redisReply *reply = NULL;
		uint64_t now;

		redisGetReply(self->messages, (void **)&reply);
		freeReplyObject(bench_check(self->messages, reply));
		now = bench_now_ns();
		if (board->received < MOST_SAMPLES)
			board->samples[board->received] = (uint32_t)(now - board->sent_at);
		board->received++;
		if (now > end)
			board->stop = 1;
		throw(self, board);
	}
}

int main(int argc, char **argv)
{
	struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct player self;
	uint64_t begin, duration;
	int status, ready[2];
	pid_t child;
	char byte;

	if (argc != 4 || board == MAP_FAILED || pipe(ready))
		bench_die("usage: floor_message URL NAME MILLISECONDS");
	duration = bench_number(argv[3], 1, 600000) * 1000000;
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		subscribe(&self, argv[1], argv[2], 1);
		if (write(ready[1], "", 1) != 1)
			bench_die("can't start");
		play(&self, board, bench_now_ns() + duration);
		_exit(0);
	}
	subscribe(&self, argv[1], argv[2], 0);
	if (child < 0 || read(ready[0], &byte, 1) != 1)
		bench_die("can't start");
	begin = bench_now_ns();
	throw(&self, board);
	play(&self, board, begin + duration);
	if (waitpid(child, &status, 0) < 0 || status != 0)
		bench_die("the other player failed");
	printf("{\"messages\": %llu, \"seconds\": %.6f, \"p50_us\": %.3f}\n", (unsigned long long)board->received,
	       (double)(bench_now_ns() - begin) / 1e9,
	       bench_quantile(board->samples, board->received < MOST_SAMPLES ? board->received : MOST_SAMPLES, 0.5) /
	               1e3);
	return 0;
}
