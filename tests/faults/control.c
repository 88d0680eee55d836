/* SPDX-License-Identifier: MIT
 *
 * The control: a lock as many write it, SET NX PX and a release that compares the token, without fences and without a
 * thought of how long it lasts. faults-control SOCKET NAMES SEED LOG RESOURCE
 *
 * The campaign must find it guilty wherever a holder is stopped: what finds nothing here finds nothing at all. */
#include "plan.h"
#include "record.h"

#include <hiredis/hiredis.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum { TTL_MS = 300, PAUSE_US = 2000, MOST_HOLD_US = 50000 };

static volatile sig_atomic_t ending;

static void end(int number)
{
	(void)number;
	ending = 1;
}

static void nap(int64_t us)
{
	const struct timespec duration = { us / 1000000, us % 1000000 * 1000 };

	nanosleep(&duration, NULL);
}

static int64_t number_of(redisReply *reply)
{
	int64_t number = reply == NULL                       ? -1
	                 : reply->type == REDIS_REPLY_NIL    ? 0
	                 : reply->type == REDIS_REPLY_STATUS ? 1
	                                                     : reply->integer;

	freeReplyObject(reply);
	return number;
}

static void one_round(redisContext *context, uint64_t *seed, unsigned names)
{
	struct plan plan = plan_next(seed, names);
	char token[32];
	int64_t asked = record_now(), answer;

	snprintf(token, sizeof(token), "%016" PRIx64, plan_random(seed));
	while ((answer = number_of(redisCommand(context, "SET c%u %s NX PX %d", plan.name, token, TTL_MS))) == 0 &&
	       !ending)
		nap(PAUSE_US);
	if (answer != 1)
		return;
	record_line("g 0 c%u %" PRId64 " %" PRId64 " 0 %" PRId64 " %d %s", plan.name, asked, record_now(), INT64_MAX,
	            TTL_MS, token);
	record_flush();
	nap(plan.hold_us < MOST_HOLD_US ? plan.hold_us : MOST_HOLD_US);
	record_line("r 0 %" PRId64, record_now());
	record_flush();
	answer = number_of(redisCommand(
	        context, "EVAL %s 1 c%u %s",
	        "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0", plan.name, token));
	record_line("d 0 %" PRId64 " %s 0", record_now(), answer == 1 ? "OK" : "LOST");
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 6 || !record_open(argv[4], argv[5]))
		return 64;
	sigaction(SIGTERM, &action, NULL);
	unsigned names = (unsigned)atoi(argv[2]);
	uint64_t seed = strtoull(argv[3], NULL, 10);
	while (!ending) {
		redisContext *context = redisConnectUnix(argv[1]);

		while (context != NULL && context->err == 0 && !ending)
			one_round(context, &seed, names);
		redisFree(context);
		nap(PAUSE_US);
	}
	record_flush();
	return 0;
}
