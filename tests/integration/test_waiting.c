/* SPDX-License-Identifier: MIT
 *
 * Waiting: the order of the queue, and the end of a wait. */
#include "agent.h"
#include "waiter.h"

#include <stdio.h>
#include <string.h>

#define QUEUED 5

static struct test_server server;
static redislock_client *client;

static redislock_lock *held(const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

static void queue_is_served_in_order(void **state)
{
	struct agent agents[QUEUED];
	const struct agent_options options = { .url = server.url, .name = "order" };
	uint64_t fence;
	redislock_lock *holder;

	(void)state;
	for (size_t i = 0; i < QUEUED; i++)
		agent_start(&agents[i], &options);
	holder = held("order");
	fence = redislock_lock_fence(holder);
	for (size_t i = 0; i < QUEUED; i++) {
		agent_tell(&agents[i], AGENT_ACQUIRE, 0);
		test_eventually(test_queue(&server, "order") == (long long)i + 1);
	}
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	for (size_t i = 0; i < QUEUED; i++) {
		const struct agent_answer answer = agent_answer(&agents[i]);

		assert_status(answer.status, REDISLOCK_OK);
		assert_true(answer.fence > fence);
		fence = answer.fence;
		for (size_t j = i + 1; j < QUEUED; j++)
			assert_false(agent_has_answered(&agents[j]));
		assert_status(agent_do(&agents[i], AGENT_RELEASE, 0).status, REDISLOCK_OK);
	}
	for (size_t i = 0; i < QUEUED; i++)
		agent_do(&agents[i], AGENT_END, 0);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void waiters_of_one_client_are_served_in_order(void **state)
{
	redislock_lock *locks[QUEUED], *holder = held("threads");
	struct waiter waiters[QUEUED];

	(void)state;
	for (size_t i = 0; i < QUEUED; i++) {
		locks[i] = test_lock(client, REDISLOCK_KIND_PUBSUB, "threads");
		waiter_start(&waiters[i], locks[i]);
		test_eventually(test_queue(&server, "threads") == (long long)i + 1);
	}
	test_eventually(redislock_lock_place(locks[0]) == 0);
	test_eventually(redislock_lock_place(locks[QUEUED - 1]) == QUEUED - 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	for (size_t i = 0; i < QUEUED; i++) {
		assert_status(waiter_join(&waiters[i]), REDISLOCK_OK);
		assert_int_equal(redislock_lock_place(locks[i]), -1);
		for (size_t j = i + 1; j < QUEUED; j++)
			assert_false(atomic_load(&waiters[j].done));
		assert_status(redislock_lock_release(locks[i]), REDISLOCK_OK);
		redislock_lock_free(locks[i]);
	}
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void release_does_not_let_the_releaser_pass_the_queue(void **state)
{
	redislock_lock *holder = held("greedy"), *waiting = test_lock(client, REDISLOCK_KIND_PUBSUB, "greedy");
	struct waiter waiter;

	(void)state;
	waiter_start(&waiter, waiting);
	test_eventually(test_queue(&server, "greedy") == 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(holder, 0), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_NOT_ACQUIRED);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	redislock_lock_free(waiting);
	redislock_lock_free(holder);
}

static void wait_ends_at_its_time_and_leaves_the_queue(void **state)
{
	redislock_lock *holder = held("ends");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "ends");
		int64_t start;

		assert_status(redislock_lock_set_wait_ms(lock, 400), REDISLOCK_OK);
		start = test_now_us();
		assert_status(redislock_lock_acquire(lock), REDISLOCK_NOT_ACQUIRED);
		assert_in_range(test_now_us() - start, 399000, TEST_DEADLINE_MS * 1000);
		assert_int_equal(test_queue(&server, "ends"), 0);
		assert_int_equal(redislock_lock_is_held(lock), 0);
		assert_int_equal(redislock_lock_place(lock), -1);
		redislock_lock_free(lock);
	}
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void wait_of_zero_tries_once_without_queueing(void **state)
{
	redislock_lock *holder = held("once");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "once");

		assert_status(redislock_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_NOT_ACQUIRED);
		assert_int_equal(test_queue(&server, "once"), 0);
		redislock_lock_free(lock);
	}
	assert_int_equal(redislock_lock_is_held(holder), 1);
	redislock_lock_free(holder);
}

/* A foreign lock that ends without a word, while this one waits. */
static void expiry_of_a_foreign_lock_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "foreign");

		assert_true(test_command(&server, NULL, 0, "SET", "foreign", "somebody", "PX", "500", NULL));
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		redislock_lock_free(lock);
	}
}

/* The pause between two tries is longer than the wait: only the try at the deadline can find the lock free. */
static void last_try_is_made_at_the_deadline(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_SPIN, "last");

	(void)state;
	assert_status(redislock_lock_set_spin_interval_ms(lock, 3600000), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, 1000), REDISLOCK_OK);
	assert_true(test_command(&server, NULL, 0, "SET", "last", "somebody", "PX", "300", NULL));
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

static void foreign_release_wakes_the_queue(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "legacy");
	struct waiter waiter;

	(void)state;
	assert_true(test_command(&server, NULL, 0, "SET", "legacy", "somebody", NULL));
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "legacy") == 1);
	assert_false(atomic_load(&waiter.done));
	test_command(&server, NULL, 0, "DEL", "legacy", NULL);
	assert_int_equal(test_number(&server, "PUBLISH", "rlock-channel:legacy", "ok", NULL), 1);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* Nonsense on every channel that a waiter listens to. The wait goes on, and ends when it has to. */
static void junk_on_the_channels_changes_nothing(void **state)
{
	redislock_lock *holder = held("junk"), *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "junk");
	struct waiter waiter;
	char ticket[512], inbox[600], token[129], *id;

	(void)state;
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "junk") == 1);
	test_command(&server, ticket, sizeof(ticket), "ZRANGE", "rlock-queue:{junk}:junk", "0", "0", NULL);
	id = strchr(ticket, ' ');
	assert_non_null(id);
	*strchr(id + 1, ' ') = '\0';
	snprintf(inbox, sizeof(inbox), "rlock-inbox:%s", id + 1);
	/* A wait that ends, only now: on a busy machine it might be over before anybody has read the ticket. */
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, 1500), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	while (!atomic_load(&waiter.done)) {
		static const char *const junk[] = { "",
			                            "ok",
			                            "grant",
			                            "grant x y z",
			                            "grant  1 2 3",
			                            "grant 00000000000000000000000000000000 1 1000 junk",
			                            "\n" };

		for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
			test_command(&server, NULL, 0, "PUBLISH", inbox, junk[i], NULL);
			test_command(&server, NULL, 0, "PUBLISH", "rlock-channel:junk", junk[i], NULL);
		}
		assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		test_command(&server, NULL, 0, "EVAL",
		             "return redis.call('PUBLISH', ARGV[1], 'grant ' .. ARGV[2] .. ' 1 1000 junk')", "0", inbox,
		             token, NULL);
	}
	assert_status(waiter_join(&waiter), REDISLOCK_NOT_ACQUIRED);
	assert_int_equal(redislock_lock_is_held(holder), 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	test_eventually(test_queue(&server, "junk") == 0);
	test_eventually(test_pttl(&server, "junk") == -2);
}

static void second_caller_of_a_waiting_lock_is_turned_away(void **state)
{
	redislock_lock *holder = held("busy"), *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "busy");
	struct waiter waiter;

	(void)state;
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "busy") == 1);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_IN_USE);
	assert_status(redislock_lock_release(lock), REDISLOCK_IN_USE);
	assert_status(redislock_lock_extend(lock, 1000), REDISLOCK_IN_USE);
	assert_status(redislock_lock_set_ttl_ms(lock, 1000), REDISLOCK_IN_USE);
	assert_int_equal(redislock_lock_is_held(lock), 0);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
}

static void spinner_waits_at_its_interval_and_does_not_pass_the_queue(void **state)
{
	redislock_lock *holder = held("spin"), *spinning = test_lock(client, REDISLOCK_KIND_SPIN, "spin");
	redislock_lock *queued = test_lock(client, REDISLOCK_KIND_PUBSUB, "spin");
	struct waiter spinner, waiter;

	(void)state;
	assert_status(redislock_lock_set_spin_interval_ms(spinning, 1), REDISLOCK_OK);
	assert_status(redislock_lock_set_spin_growth(spinning, 150, 20), REDISLOCK_OK);
	waiter_start(&waiter, queued);
	test_eventually(test_queue(&server, "spin") == 1);
	waiter_start(&spinner, spinning);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_false(atomic_load(&spinner.done));
	assert_int_equal(test_queue(&server, "spin"), 0);
	assert_status(redislock_lock_release(queued), REDISLOCK_OK);
	assert_status(waiter_join(&spinner), REDISLOCK_OK);
	assert_true(redislock_lock_fence(spinning) > redislock_lock_fence(queued));
	redislock_lock_free(spinning);
	redislock_lock_free(queued);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void lock_without_expiry_is_handed_over_and_made_permanent(void **state)
{
	redislock_lock *holder = held("permanent"), *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "permanent");
	struct waiter waiter;

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "permanent") == 1);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	test_eventually(test_pttl(&server, "permanent") == -1);
	test_eventually(redislock_lock_remaining_ms(lock) == REDISLOCK_NO_EXPIRY);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	client = test_client(server.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_is_served_in_order),
		cmocka_unit_test(waiters_of_one_client_are_served_in_order),
		cmocka_unit_test(release_does_not_let_the_releaser_pass_the_queue),
		cmocka_unit_test(wait_ends_at_its_time_and_leaves_the_queue),
		cmocka_unit_test(wait_of_zero_tries_once_without_queueing),
		cmocka_unit_test(expiry_of_a_foreign_lock_is_found),
		cmocka_unit_test(last_try_is_made_at_the_deadline),
		cmocka_unit_test(foreign_release_wakes_the_queue),
		cmocka_unit_test(junk_on_the_channels_changes_nothing),
		cmocka_unit_test(second_caller_of_a_waiting_lock_is_turned_away),
		cmocka_unit_test(spinner_waits_at_its_interval_and_does_not_pass_the_queue),
		cmocka_unit_test(lock_without_expiry_is_handed_over_and_made_permanent),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
