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

#ifdef FLOOR_RESP3
static void connect_to(struct floor_client *self, const char *url)
{
	self->commands = self->messages = bench_connect(url);
	redisSetPushCallback(self->commands, NULL); /* they are read as replies are */
	freeReplyObject(bench_check(self->commands, redisCommand(self->commands, "HELLO 3")));
}
#else
static void connect_to(struct floor_client *self, const char *url)
{
	self->commands = bench_connect(url);
	self->messages = bench_connect(url);
}
#endif

void floor_listen(struct floor_client *self, const char *url, const char *name)
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
	connect_to(self, url);
	redisSetTimeout(self->messages, (struct timeval) { .tv_sec = 60 });
	subscribe(self);
}

void floor_open(struct floor_client *self, const char *url, const char *name)
{
	floor_listen(self, url, name);
	bench_load(self->commands, "lock", self->lock);
	bench_load(self->commands, "unlock", self->unlock);
}

void floor_close(struct floor_client *self)
{
	if (self->messages != self->commands)
		redisFree(self->messages);
	redisFree(self->commands);
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

/* Whether it is a message with a grant, whose token is copied then. */
static bool is_grant(const redisReply *reply, char token[FLOOR_TOKEN_SIZE])
{
	return reply->elements == 3 && reply->element[2]->str &&
	       sscanf(reply->element[2]->str, "grant %32s", token) == 1;
}

static redisReply *next_reply(redisContext *context)
{
	redisReply *reply = NULL;

	redisGetReply(context, (void **)&reply);
	return bench_check(context, reply);
}

/* The next answer; of messages that come before it on the same connection there is one grant at most. */
static redisReply *next_answer(struct floor_client *self)
{
	redisReply *reply = next_reply(self->commands);

#ifdef FLOOR_RESP3
	while (reply->type == REDIS_REPLY_PUSH) {
		bool second = self->early[0] != '\0';

		if (is_grant(reply, self->early) && second)
			bench_die("two grants at once");
		freeReplyObject(reply);
		reply = next_reply(self->commands);
	}
#endif
	return reply;
}

long long floor_answer(struct floor_client *self)
{
	redisReply *reply = next_answer(self);
	long long answer = bench_outcome(reply);

	freeReplyObject(reply);
	if (answer != 1 && answer != 2)
		bench_die("the script answered %lld", answer);
	return answer;
}

void floor_grant(struct floor_client *self, char token[FLOOR_TOKEN_SIZE])
{
	bool found = self->early[0] != '\0';

	memcpy(token, self->early, FLOOR_TOKEN_SIZE);
	self->early[0] = '\0';
	while (!found) {
		redisReply *reply = next_reply(self->messages);

		found = is_grant(reply, token);
		freeReplyObject(reply);
	}
}
