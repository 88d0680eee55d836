/* SPDX-License-Identifier: MIT */
#include "floor_client.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>

/* Longer than any pause of a busy machine: the floor doesn't look after a hand-off that ran out. */
#define HANDOFF_LEASE "20000"

static void subscribe(struct floor_client *self)
{
	redisReply *reply =
	        bench_check(self->messages, redisCommand(self->messages, "SUBSCRIBE rlock-inbox:%s rlock-channel:%s",
	                                                 self->id, self->name));

	freeReplyObject(reply);
	if (redisGetReply(self->messages, (void **)&reply) != REDIS_OK)
		bench_die("not subscribed: %s", self->messages->errstr);
	freeReplyObject(reply);
}

void floor_open(struct floor_client *self, const char *url, const char *name)
{
	unsigned char random[16];

	memset(self, 0, sizeof *self);
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		bench_die("no random numbers");
	for (size_t i = 0; i < sizeof random; i++)
		snprintf(self->id + 2 * i, 3, "%02x", random[i]);
	snprintf(self->name, sizeof self->name, "%s", name);
	snprintf(self->queue, sizeof self->queue, "rlock-queue:{%s}:%s", name, name);
	snprintf(self->state, sizeof self->state, "rlock-state:{%s}:%s", name, name);
	self->commands = bench_connect(url);
	self->messages = bench_connect(url);
	redisSetTimeout(self->messages, (struct timeval) { .tv_sec = 60 });
	bench_load(self->commands, "lock", self->lock);
	bench_load(self->commands, "unlock", self->unlock);
	subscribe(self);
}

static void append(struct floor_client *self, const char **words, int count)
{
	if (redisAppendCommandArgv(self->commands, count, words, NULL) != REDIS_OK)
		bench_die("out of memory");
}

void floor_append_lock(struct floor_client *self, const char *token)
{
	const char *words[] = { "EVALSHA", self->lock, "3",           self->name, self->queue, self->state,
		                token,     "30000",    HANDOFF_LEASE, "1",        self->id,    "" };

	append(self, words, sizeof words / sizeof *words);
}

void floor_append_unlock(struct floor_client *self, const char *token)
{
	const char *words[] = { "EVALSHA", self->unlock, "3", self->name, self->queue, self->state, token, "1" };

	append(self, words, sizeof words / sizeof *words);
}

void floor_flush(struct floor_client *self)
{
	int done = 0;

	while (!done)
		if (redisBufferWrite(self->commands, &done) != REDIS_OK)
			bench_die("not sent: %s", self->commands->errstr);
}

long long floor_answer(struct floor_client *self)
{
	redisReply *reply = NULL;
	long long answer;

	redisGetReply(self->commands, (void **)&reply);
	bench_check(self->commands, reply);
	answer = bench_outcome(reply);
	freeReplyObject(reply);
	if (answer != 1 && answer != 2)
		bench_die("the script answered %lld", answer);
	return answer;
}

void floor_grant(struct floor_client *self, char token[FLOOR_TOKEN_SIZE])
{
	for (;;) {
		redisReply *reply = NULL;
		bool found;

		redisGetReply(self->messages, (void **)&reply);
		bench_check(self->messages, reply);
		found = reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 && reply->element[2]->str &&
		        sscanf(reply->element[2]->str, "grant %32s", token) == 1;
		freeReplyObject(reply);
		if (found)
			return;
	}
}
