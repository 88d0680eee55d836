/* SPDX-License-Identifier: MIT
 *
 * The floor of many waiters in one process: one thread plays them all on two sockets. For each grant it sends the
 * UNLOCK and the LOCK of the waiter's next turn at once. Usage: floor_group URL NAME WAITERS MILLISECONDS */
#include "floor_client.h"

#include <stdio.h>
#include <string.h>

enum { MOST_WAITERS = 100000, MOST_SAMPLES = 1 << 20 };

static uint32_t samples[MOST_SAMPLES];

static void enqueue(struct floor_client *client, uint64_t number, char token[FLOOR_TOKEN_SIZE])
{
	snprintf(token, FLOOR_TOKEN_SIZE, "%.16s%016llx", client->id, (unsigned long long)number);
	floor_append_lock(client, token);
}

int main(int argc, char **argv)
{
	struct floor_client client;
	char token[FLOOR_TOKEN_SIZE], next[FLOOR_TOKEN_SIZE];
	uint64_t waiters, duration, begin, before, number = 0, turns = 0;

	if (argc != 5)
		bench_die("usage: floor_group URL NAME WAITERS MILLISECONDS");
	waiters = bench_number(argv[3], 2, MOST_WAITERS);
	duration = bench_number(argv[4], 1, 600000) * 1000000;
	floor_open(&client, argv[1], argv[2]);
	enqueue(&client, ++number, token);
	floor_flush(&client);
	if (floor_answer(&client) != 1)
		bench_die("%s is locked", argv[2]);
	while (number < waiters) {
		enqueue(&client, ++number, next);
		floor_flush(&client);
		floor_answer(&client);
	}
	begin = before = bench_now_ns();
	do {
		uint64_t now;

		floor_append_unlock(&client, token);
		enqueue(&client, ++number, next);
		floor_flush(&client);
		floor_answer(&client);
		floor_answer(&client);
		floor_grant(&client, token);
		now = bench_now_ns();
		if (turns < MOST_SAMPLES)
			samples[turns] = (uint32_t)(now - before);
		before = now;
		turns++;
	} while (before - begin < duration);
	printf("{\"acquisitions\": %llu, \"seconds\": %.6f, \"p50_us\": %.3f}\n", (unsigned long long)turns,
	       (double)(before - begin) / 1e9,
	       bench_quantile(samples, turns < MOST_SAMPLES ? turns : MOST_SAMPLES, 0.5) / 1e3);
	return 0;
}
