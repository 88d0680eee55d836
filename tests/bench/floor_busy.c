/* SPDX-License-Identifier: MIT
 *
 * How long a message takes to a client that has commands under way all the time, as at a renewal of many leases: from
 * PUBLISH in another process until it is read. Usage: floor_busy URL NAME MILLISECONDS */
#include "floor_client.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { BATCH = 200, MOST_SAMPLES = 1 << 16 };

struct board {
	uint64_t sent_at; /* by whoever sends, before the message */
	uint32_t samples[MOST_SAMPLES];
	size_t received;
};

/* One message after the other; a byte comes by the pipe for each that was read. */
static void send_messages(const char *url, const char *channel, struct board *board, int read_end)
{
	redisContext *context = bench_connect(url);
	uint32_t pause = 1;
	char byte;

	do {
		pause = pause * 1103515245 + 12345;
		usleep(pause >> 16 & 1023);
		board->sent_at = bench_now_ns();
		freeReplyObject(bench_check(context, redisCommand(context, "PUBLISH %s ball", channel)));
	} while (read(read_end, &byte, 1) == 1);
}

/* Reads what is there. Returns how many answers. */
static int take(redisContext *context, struct board *board, int write_end)
{
	redisReply *reply;
	int answers = 0;

	if (redisBufferRead(context) != REDIS_OK)
		bench_die("not read: %s", context->errstr);
	while (redisGetReplyFromReader(context, (void **)&reply) == REDIS_OK && reply) {
		bool message =
		        reply->elements == 3 && reply->element[2]->str && strcmp(reply->element[2]->str, "ball") == 0;

		if (message) {
			if (board->received < MOST_SAMPLES)
				board->samples[board->received++] = (uint32_t)(bench_now_ns() - board->sent_at);
			if (write(write_end, "", 1) != 1)
				bench_die("can't go on");
		}
		answers += !message;
		freeReplyObject(bench_check(context, reply));
	}
	return answers;
}

int main(int argc, char **argv)
{
	struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static const char token[FLOOR_TOKEN_SIZE] = "00000000000000000000000000000001";
	struct floor_client client;
	uint64_t begin, duration, commands = 0;
	int got[2], due = 0;
	char channel[64];
	pid_t child;

	if (argc != 4 || board == MAP_FAILED || pipe(got))
		bench_die("usage: floor_busy URL NAME MILLISECONDS");
	duration = bench_number(argv[3], 1, 600000) * 1000000;
	floor_open(&client, argv[1], argv[2]);
	snprintf(channel, sizeof channel, "rlock-inbox:%s", client.id);
	child = fork();
	if (child < 0)
		bench_die("can't fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(got[1]);
		send_messages(argv[1], channel, board, got[0]);
		_exit(0);
	}
	begin = bench_now_ns();
	while (bench_now_ns() - begin < duration) {
		struct pollfd polled[] = { { client.messages->fd, POLLIN, 0 }, { client.commands->fd, POLLIN, 0 } };

		if (due == 0) {
			/* The same lock again and again: that extends it. */
			for (; due < BATCH; due++)
				floor_append_lock(&client, token);
			floor_flush(&client);
		}
		if (poll(polled, client.messages == client.commands ? 1 : 2, -1) < 0)
			bench_die("can't poll");
		for (int i = 0; i < 2; i++) {
			int answers;

			if (polled[i].revents == 0)
				continue;
			answers = take(i == 0 ? client.messages : client.commands, board, got[1]);
			due -= answers;
			commands += (unsigned)answers;
		}
	}
	kill(child, SIGKILL);
	printf("{\"messages\": %zu, \"commands\": %llu, \"seconds\": %.6f, \"p50_us\": %.3f, \"p99_us\": %.3f}\n",
	       board->received, (unsigned long long)commands, (double)(bench_now_ns() - begin) / 1e9,
	       bench_quantile(board->samples, board->received, 0.5) / 1e3,
	       bench_quantile(board->samples, board->received, 0.99) / 1e3);
	return 0;
}
