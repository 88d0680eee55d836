/* SPDX-License-Identifier: MIT
 *
 * Messages: two wait for a lock that somebody else holds, while anything comes over their connection for messages. No
 * message but a grant of their own token makes them holders, and whatever comes they go on: when the lock is free they
 * get it in turn. */
#include "server.h"

#include "api/api.h"

#include <stdlib.h>
#include <string.h>

enum { WAITERS = 2, TURNS = 4000, LEASE_MS = 3000, PATIENCE_MS = 100000 };

static redislock_client *client;
static redislock_lock *lock[WAITERS];
static bool asked[WAITERS], held[WAITERS];

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void read_events(void)
{
	redislock_event *event;

	while (redislock_client_next_event(client, &event) == REDISLOCK_OK) {
		const uint64_t tag = redislock_event_tag(event);

		require(tag < WAITERS);
		if (redislock_event_type(event) == REDISLOCK_EVENT_ACQUIRED)
			held[tag] = true;
		else if (redislock_event_type(event) != REDISLOCK_EVENT_LOST)
			asked[tag] = false;
		else
			held[tag] = asked[tag] = false;
	}
}

static void settle(void)
{
	for (int i = 0; i < TURNS && net_loop_readable(); i++) {
		require(i < TURNS - 1);
		require(redislock_client_dispatch(client) == REDISLOCK_OK);
		read_events();
	}
}

static void ask(int number)
{
	require(redislock_lock_start_acquire(lock[number], (uint64_t)number) == REDISLOCK_OK);
	asked[number] = true;
	settle();
}

/* Somebody else takes the lock, with a lease that lasts. */
static void occupy(void)
{
	server.token_count = 1;
	strcpy(server.tokens[0], "somebody");
	server.store.owner = 1;
	server.store.fence = server.store.highest = 5;
	server.store.issued = 1;
	server.store.expires_at = net.now + LEASE_MS;
}

/* Pieces end with a zero byte; its first byte says how a piece is sent. */
static void say(const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at < size) {
		const uint8_t how = data[at++];
		const uint8_t *end = memchr(data + at, 0, size - at);
		size_t length = end != NULL ? (size_t)(end - data) - at : size - at;

		if (how % 4 < 2)
			server_publish(how % 2 == 0, data + at, length);
		else
			server_push(data + at, length);
		at += length + 1;
		net.now += how / 4;
		settle();
	}
}

/* Whether a grant of the token in the input may have made it a holder, in its own eyes. */
static bool was_told(const uint8_t *data, size_t size, const char *token)
{
	return memmem(data, size, token, strlen(token)) != NULL;
}

static void go_on(void)
{
	const int64_t until = net.now + PATIENCE_MS;

	while (net.now < until && !(held[0] || !asked[0]) && !(held[1] || !asked[1])) {
		int64_t next = net_next();

		net.now = next > net.now && next < until ? next : net.now + 1;
		settle();
	}
	require(held[0] || held[1] || !asked[0] || !asked[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const tokens[WAITERS] = { "token-a", "token-b" };

	net_start();
	server_start();
	occupy();
	require(redislock_client_new_eventloop("redis://127.0.0.1", &client) == REDISLOCK_OK);
	for (int i = 0; i < WAITERS; i++) {
		held[i] = false;
		require(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "foo", 3, &lock[i]) == REDISLOCK_OK);
		require(redislock_lock_set_token(lock[i], tokens[i], strlen(tokens[i])) == REDISLOCK_OK);
		require(redislock_lock_set_wait_ms(lock[i], REDISLOCK_FOREVER) == REDISLOCK_OK);
		ask(i);
	}
	require(server.store.waiting == WAITERS);
	say(data, size < 4096 ? size : 4096);
	for (int i = 0; i < WAITERS; i++)
		require(!redislock_lock_is_held(lock[i]) || server.store.owner != 1 || was_told(data, size, tokens[i]));
	go_on();
	for (int i = 0; i < WAITERS; i++)
		redislock_lock_free(lock[i]);
	redislock_client_free(client);
	require(net_open_lines() == 0);
	return 0;
}
