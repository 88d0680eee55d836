/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include "core/core.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PAIRS = 10000000 };

_Noreturn void bench_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	_exit(1);
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

uint32_t bench_quantile(uint32_t *samples, size_t count, double share)
{
	if (count == 0)
		return 0;
	qsort(samples, count, sizeof *samples, compare);
	return samples[(size_t)((double)(count - 1) * share)];
}

double bench_fairness(const uint32_t *counts, size_t workers)
{
	double sum = 0, squares = 0;

	for (size_t i = 0; i < workers; i++) {
		sum += counts[i];
		squares += (double)counts[i] * counts[i];
	}
	return squares > 0 ? sum * sum / ((double)workers * squares) : 0;
}

uint64_t bench_number(const char *text, uint64_t least, uint64_t most)
{
	char *end;
	unsigned long long number;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno || end == text || (*end && *end != '\n') || number < least || number > most)
		bench_die("not a number from %llu to %llu: %s", (unsigned long long)least, (unsigned long long)most,
		          text);
	return number;
}

unsigned bench_sockets(void)
{
	DIR *folder = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned sockets = 0;

	if (!folder)
		bench_die("/proc/self/fd: %s", strerror(errno));
	while ((entry = readdir(folder))) {
		char target[64];
		ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target);

		sockets += length > 7 && memcmp(target, "socket:", 7) == 0;
	}
	closedir(folder);
	return sockets;
}

redisContext *bench_connect(const char *url)
{
	static const char unix_scheme[] = "unix://", tcp_scheme[] = "redis://";
	redisContext *context = NULL;
	char host[64];
	int port;

	if (strncmp(url, unix_scheme, sizeof unix_scheme - 1) == 0)
		context = redisConnectUnix(url + sizeof unix_scheme - 1);
	else if (strncmp(url, tcp_scheme, sizeof tcp_scheme - 1) == 0 &&
	         sscanf(url + sizeof tcp_scheme - 1, "%63[^:]:%d", host, &port) == 2)
		context = redisConnect(host, port);
	else
		bench_die("neither redis://HOST:PORT nor unix:///PATH: %s", url);
	if (!context || context->err)
		bench_die("%s: %s", url, context ? context->errstr : "out of memory");
	return context;
}

redisReply *bench_check(redisContext *context, void *reply)
{
	redisReply *answer = reply;

	if (!answer)
		bench_die("no reply: %s", context->errstr);
	if (answer->type == REDIS_REPLY_ERROR)
		bench_die("the server says: %s", answer->str);
	return answer;
}

/* The text is the one that the library has, without what its script doesn't use of the prelude. */
void bench_load(redisContext *context, const char *script, char sha[BENCH_SHA_SIZE])
{
	static const char *const names[RLK_SCRIPTS] = {
		[RLK_LOCK] = "lock", [RLK_UNLOCK] = "unlock", [RLK_EXTEND] = "extend"
	};

	for (int i = 0; i < RLK_SCRIPTS; i++) {
		const struct rlk_slice text = rlk_script_sources[i].text;
		redisReply *reply;

		if (!names[i] || strcmp(names[i], script) != 0)
			continue;
		reply = bench_check(context, redisCommand(context, "SCRIPT LOAD %b", text.data, text.length));
		snprintf(sha, BENCH_SHA_SIZE, "%s", reply->str);
		freeReplyObject(reply);
		return;
	}
	bench_die("no such script: %s", script);
}

void bench_pair_rounds(void (*pair)(void *state), void *state)
{
	char line[32];

	while (fgets(line, sizeof line, stdin)) {
		size_t count = bench_number(line, 1, MOST_PAIRS);
		uint32_t *samples = malloc(count * sizeof *samples);
		uint64_t begin, before;

		if (!samples)
			bench_die("out of memory");
		begin = before = bench_now_ns();
		for (size_t i = 0; i < count; i++) {
			uint64_t after;

			pair(state);
			after = bench_now_ns();
			samples[i] = (uint32_t)(after - before);
			before = after;
		}
		printf("{\"pairs\": %zu, \"seconds\": %.6f, \"p50_us\": %.3f}\n", count, (double)(before - begin) / 1e9,
		       bench_quantile(samples, count, 0.5) / 1e3);
		fflush(stdout);
		free(samples);
	}
}

long long bench_outcome(const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
		return reply->element[0]->integer;
	return reply->type == REDIS_REPLY_STRING ? 1 : reply->integer;
}
