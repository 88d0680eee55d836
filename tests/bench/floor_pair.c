/* SPDX-License-Identifier: MIT
 *
 * The floor of an uncontended pair, by blocking hiredis. Usage: floor_pair URL NAME simple|scripts
 * simple: SET NX PX and a compare-and-delete. scripts: the library's own LOCK and UNLOCK. */
#include "bench.h"

#include <stdio.h>
#include <string.h>

static const char compare_and_delete[] =
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

struct pair {
	redisContext *context;
	const char *name;
	char queue[256], state[256];
	char lock[BENCH_SHA_SIZE], unlock[BENCH_SHA_SIZE];
	uint64_t number;
};

static void simple_pair(void *state)
{
	struct pair *self = state;
	char token[33];
	redisReply *reply;

	snprintf(token, sizeof token, "%032llx", (unsigned long long)++self->number);
	reply = bench_check(self->context, redisCommand(self->context, "SET %s %s NX PX 30000", self->name, token));
	if (reply->type != REDIS_REPLY_STATUS)
		bench_die("%s is locked", self->name);
	freeReplyObject(reply);
	reply = bench_check(self->context,
	                    redisCommand(self->context, "EVALSHA %s 1 %s %s", self->unlock, self->name, token));
	if (reply->integer != 1)
		bench_die("%s was lost", self->name);
	freeReplyObject(reply);
}

static void run(struct pair *self, const char **words, int count)
{
	redisReply *reply = bench_check(self->context, redisCommandArgv(self->context, count, words, NULL));

	if (bench_outcome(reply) != 1)
		bench_die("%s: neither locked nor unlocked", self->name);
	freeReplyObject(reply);
}

static void script_pair(void *state)
{
	struct pair *self = state;
	char token[33];
	const char *lock[] = { "EVALSHA",
		               self->lock,
		               "3",
		               self->name,
		               self->queue,
		               self->state,
		               token,
		               "30000",
		               "1000",
		               "0",
		               "00000000000000000000000000000000",
		               "" };
	const char *unlock[] = { "EVALSHA", self->unlock, "3", self->name, self->queue, self->state, token, "0" };

	snprintf(token, sizeof token, "%032llx", (unsigned long long)++self->number);
	run(self, lock, sizeof lock / sizeof *lock);
	run(self, unlock, sizeof unlock / sizeof *unlock);
}

int main(int argc, char **argv)
{
	struct pair self = { .number = 0 };

	if (argc != 4)
		bench_die("usage: floor_pair URL NAME simple|scripts");
	self.context = bench_connect(argv[1]);
	self.name = argv[2];
	snprintf(self.queue, sizeof self.queue, "rlock-queue:{%s}:%s", self.name, self.name);
	snprintf(self.state, sizeof self.state, "rlock-state:{%s}:%s", self.name, self.name);
	if (strcmp(argv[3], "simple") == 0) {
		redisReply *reply =
		        bench_check(self.context, redisCommand(self.context, "SCRIPT LOAD %s", compare_and_delete));

		snprintf(self.unlock, sizeof self.unlock, "%s", reply->str);
		freeReplyObject(reply);
		bench_pair_rounds(simple_pair, &self);
	} else if (strcmp(argv[3], "scripts") == 0) {
		bench_load(self.context, "lock", self.lock);
		bench_load(self.context, "unlock", self.unlock);
		bench_pair_rounds(script_pair, &self);
	} else {
		bench_die("no such pair: %s", argv[3]);
	}
	redisFree(self.context);
	return 0;
}
