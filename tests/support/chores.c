/* SPDX-License-Identifier: MIT */
#include "chores.h"

#include "waiter.h"

#include <stdio.h>
#include <string.h>

void chore_take(redislock_client *client, struct test_server *server, const char *name)
{
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], name),
		               *other = test_lock(client, test_kinds[i], name);

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_set_wait_ms(other, 0), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(other), REDISLOCK_NOT_ACQUIRED);
		assert_status(redislock_lock_set_wait_ms(other, 30), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(other), REDISLOCK_NOT_ACQUIRED);
		assert_status(redislock_lock_extend(lock, 40000), REDISLOCK_OK);
		assert_status(redislock_lock_extend(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_status(redislock_lock_set_ttl_ms(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		test_eventually(test_pttl(server, name) == -1);
		redislock_lock_free(other);
		redislock_lock_free(lock); /* as it is held */
	}
}

static void renew(redislock_client *client, struct test_server *server, const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	long long left = 0, before;
	int renewals = 0;

	assert_status(redislock_lock_set_ttl_ms(lock, 3000), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	test_eventually((before = left, left = test_pttl(server, name), renewals += left > before, renewals >= 3));
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

/* Handed from one to the next, by redislock and by others, and taken from one that is lost. */
static void wait_in_turn(redislock_client *client, struct test_server *server, const char *name)
{
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
		redislock_lock *next = test_lock(client, test_kinds[i], name);
		struct waiter waiter;
		char channel[64];

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		waiter_start(&waiter, next);
		if (i == 0)
			test_eventually(test_queue(server, name) == 1);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		/* The hand-off is acknowledged by and by: then the TTL is the lock's own. */
		test_eventually(test_pttl(server, name) > 10000);
		waiter_start(&waiter, lock);
		test_eventually(test_queue(server, name) == 1);
		assert_true(test_command(server, NULL, 0, "DEL", name, NULL));
		assert_int_equal(test_number(server, "EXISTS", name, NULL), 0);
		snprintf(channel, sizeof(channel), "rlock-channel:%s", name);
		test_command(server, NULL, 0, "PUBLISH", channel, "ok", NULL);
		assert_status(waiter_join(&waiter), REDISLOCK_OK);
		assert_status(redislock_lock_release(next), REDISLOCK_LOST);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		redislock_lock_free(next);
		redislock_lock_free(lock);
	}
}

#ifndef TEST_EVENTLOOP
static void interrupt_and_cancel(redislock_client *client, struct test_server *server, const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	redislock_lock *waiting = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	struct waiter waiter;

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	waiter_start(&waiter, waiting);
	test_eventually(test_queue(server, name) == 1);
	test_eventually((redislock_lock_interrupt(waiting), atomic_load(&waiter.done)));
	assert_status(waiter_join(&waiter), REDISLOCK_INTERRUPTED);
	assert_status(redislock_lock_cancel(waiting), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(waiting);
	redislock_lock_free(lock);
}
#endif

int32_t chore_look(redislock_client *client, const char *name)
{
	redislock_info *info = NULL;
	int32_t status = redislock_info_get(client, name, strlen(name), &info);

	redislock_info_free(info);
	return status;
}

void chore_acquire_refused(redislock_client *client, const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_SPIN, name);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_PERMISSION);
	redislock_lock_free(lock);
}

/* How many names with the tests' prefix are found. A walk is of the blocking form alone. */
static void assert_found(redislock_client *client, int expected)
{
#ifndef TEST_EVENTLOOP
	int found = 0;
	redislock_list *list;
	const char *name;
	size_t length;
	int32_t status;

	assert_status(redislock_list_new(client, "lock:*", &list), REDISLOCK_OK);
	while ((status = redislock_list_next(list, &name, &length)) == REDISLOCK_OK)
		found++;
	assert_status(status, REDISLOCK_END);
	redislock_list_free(list);
	assert_int_equal(found, expected);
#else
	(void)client;
	(void)expected;
#endif
}

void chores_of_a_locker(redislock_client *client, struct test_server *server, const char *name)
{
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_status(chore_look(client, name), REDISLOCK_OK);
	chore_take(client, server, name);
	renew(client, server, name);
	wait_in_turn(client, server, name);
#ifndef TEST_EVENTLOOP
	interrupt_and_cancel(client, server, name);
#endif
}

void chores_of_a_watcher(redislock_client *client, const char *name)
{
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_status(chore_look(client, name), REDISLOCK_OK);
	assert_found(client, 0);
}

void chores_of_an_operator(redislock_client *client, redislock_client *admin, struct test_server *server,
                           const char *name)
{
	redislock_lock *lock = test_lock(admin, REDISLOCK_KIND_PUBSUB, name);
	redislock_lock *next = test_lock(admin, REDISLOCK_KIND_PUBSUB, name);
	const size_t length = strlen(name);
	struct waiter waiter;

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	waiter_start(&waiter, next);
	test_eventually(test_queue(server, name) == 1);
	assert_status(redislock_client_connect(client), REDISLOCK_OK);
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	assert_status(chore_look(client, name), REDISLOCK_OK);
	assert_found(client, 1);
	assert_status(redislock_client_break(client, name, length, NULL, 0), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_client_break(client, name, length, "not-this-one", 12), REDISLOCK_NOT_LOCKED);
	assert_status(redislock_client_break(client, name, length, NULL, 0), REDISLOCK_OK);
	assert_status(redislock_client_break(client, name, length, NULL, 0), REDISLOCK_NOT_LOCKED);
	redislock_lock_free(lock);
	redislock_lock_free(next);
}
