/* SPDX-License-Identifier: MIT
 *
 * A lock on five servers by its own calls: in the blocking form, then in an event loop. */
#include "quorum.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static void take_by_another(size_t i, const char *name)
{
	assert_true(test_command(&servers[i], NULL, 0, "SET", name, "another", NULL));
}

/* ---- taking and releasing ---- */

static void held_on_every_server_and_released_on_every_server(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "every");
	char token[33], value[64];
	size_t length;

	(void)state;
	assert_string_equal(redislock_quorum_lock_name(lock, &length), "every");
	assert_int_equal(length, 5);
	assert_status(redislock_quorum_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
	assert_string_equal(token, "");
	assert_status(redislock_quorum_lock_set_owner(lock, "me", 2), REDISLOCK_OK);
	for (int i = 0; i < 3; i++) {
		assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
		assert_int_equal(redislock_quorum_lock_is_held(lock), 1);
		/* Less the allowance for clocks. */
		assert_in_range(redislock_quorum_lock_remaining_ms(lock), 1, TTL_MS - TTL_MS / 100 - 2);
		assert_status(quorum_acquire(quorum, lock), REDISLOCK_IN_USE);
		assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_IN_USE);
		turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
		assert_status(redislock_quorum_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		for (size_t j = 0; j < SERVERS; j++) {
			assert_true(test_command(&servers[j], value, sizeof(value), "GET", "every", NULL));
			assert_int_equal(strlen(token), 32);
			assert_memory_equal(value, token, 32);
			assert_int_equal(value[32], '.');
		}
		assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
		assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
		assert_int_equal(redislock_quorum_lock_agreed(lock), 0);
		assert_int_equal(how_many_have("every"), 0);
		assert_status(quorum_release(quorum, lock), REDISLOCK_NOT_OWNED);
		assert_status(quorum_extend(quorum, lock, 1000), REDISLOCK_NOT_OWNED);
	}
	quorum_end(quorum, lock);
}

static void only_one_holds_and_the_next_comes_after(void **state)
{
	redislock_quorum *quorum = quorum_new(), *other = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "one"), *next = quorum_lock(other, "one");

	(void)state;
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	assert_status(quorum_try(other, next), REDISLOCK_NOT_ACQUIRED);
	assert_status(redislock_quorum_lock_set_wait_ms(next, 50), REDISLOCK_OK);
	assert_status(quorum_acquire(other, next), REDISLOCK_NOT_ACQUIRED);
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	assert_status(redislock_quorum_lock_set_wait_ms(next, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_status(quorum_acquire(other, next), REDISLOCK_OK);
	assert_status(quorum_release(other, next), REDISLOCK_OK);
	quorum_end(quorum, lock);
	quorum_end(other, next);
}

static void a_majority_is_more_than_half(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "majority");

	(void)state;
	take_by_another(0, "majority");
	take_by_another(1, "majority");
	assert_status(quorum_try(quorum, lock), REDISLOCK_OK);
	assert_int_equal(redislock_quorum_lock_agreed(lock), 3);
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	assert_int_equal(how_many_have("majority"), 2);
	take_by_another(2, "majority");
	assert_status(quorum_try(quorum, lock), REDISLOCK_NOT_ACQUIRED);
	/* And what it had is given back. */
	assert_int_equal(how_many_have("majority"), 3);
	assert_int_equal(redislock_quorum_lock_agreed(lock), 0);
	quorum_end(quorum, lock);
}

static void freeing_releases_in_either_order(void **state)
{
	const int descriptors = test_descriptors(), threads = test_threads();

	(void)state;
	for (int order = 0; order < 2; order++) {
		redislock_quorum *quorum = quorum_new();
		redislock_quorum_lock *lock = quorum_lock(quorum, "freed");

		assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
		if (order == 0)
			redislock_quorum_free(quorum);
		redislock_quorum_lock_free(lock);
		if (order == 1)
			redislock_quorum_free(quorum);
		test_eventually(how_many_have("freed") == 0);
		assert_int_equal(test_descriptors(), descriptors);
		test_eventually(test_threads() == threads);
	}
}

static void extension_counts_from_now(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "extended");

	(void)state;
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	assert_status(quorum_extend(quorum, lock, INT64_C(10) * TTL_MS), REDISLOCK_OK);
	assert_true(redislock_quorum_lock_remaining_ms(lock) > INT64_C(5) * TTL_MS);
	/* Three have forgotten it: that is known at once. */
	for (size_t i = 0; i < 3; i++)
		assert_true(test_command(&servers[i], NULL, 0, "FLUSHALL", NULL));
	assert_status(quorum_extend(quorum, lock, TTL_MS), REDISLOCK_LOST);
	assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
	turn_until(quorum, how_many_have("extended") == 0);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	quorum_end(quorum, lock);
}

static void lease_that_is_not_renewed_ends(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "ends");
	bool gone = false;

	(void)state;
	assert_status(redislock_quorum_lock_set_ttl_ms(lock, 300), REDISLOCK_OK);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	while (!gone) {
		/* In this order: it mustn't believe any longer than the servers do. */
		gone = how_many_have("ends") < 3;
		if (gone)
			assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
		quorum_turn(quorum, 1);
	}
	assert_status(quorum_release(quorum, lock), REDISLOCK_LOST);
	assert_status(quorum_release(quorum, lock), REDISLOCK_NOT_OWNED);
	quorum_end(quorum, lock);
}

/* ---- ends of waits ---- */

static redislock_quorum_lock *interrupted;

static void on_alarm(int number)
{
	(void)number;
	redislock_quorum_lock_interrupt(interrupted);
}

static void wait_can_be_given_up(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "given-up");

	(void)state;
	for (size_t i = 0; i < 3; i++)
		take_by_another(i, "given-up");
	assert_status(redislock_quorum_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	if (eventloop) {
		redislock_event *event;

		assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_END);
		assert_status(redislock_quorum_lock_start_acquire(lock, 9), REDISLOCK_OK);
		turn_until(quorum, how_many_have("given-up") > 3);
		assert_status(redislock_quorum_lock_start_acquire(lock, 10), REDISLOCK_IN_USE);
		assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_OK);
		assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_OK);
		event = quorum_event(quorum);
		assert_int_equal(redislock_event_type(event), REDISLOCK_EVENT_CANCELLED);
		assert_int_equal(redislock_event_tag(event), 9);
		assert_ptr_equal(redislock_event_quorum_lock(event), lock);
		assert_null(redislock_event_lock(event));
	} else {
		struct sigaction action = { .sa_handler = on_alarm };

		interrupted = lock;
		assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
		alarm(1);
		assert_status(redislock_quorum_lock_acquire(lock), REDISLOCK_INTERRUPTED);
		/* By the signal itself. */
		action.sa_handler = SIG_DFL;
		assert_status(redislock_quorum_set_interruptible(quorum, 1), REDISLOCK_OK);
		interrupted = NULL;
		alarm(1);
		assert_status(redislock_quorum_lock_acquire(lock), REDISLOCK_INTERRUPTED);
	}
	assert_int_equal(how_many_have("given-up"), 3);
	quorum_end(quorum, lock);
}

/* It is held already, but nobody has read of it. */
static void acquired_and_unread_is_given_up_as_well(void **state)
{
	redislock_quorum *quorum;
	redislock_quorum_lock *lock;

	(void)state;
	if (!eventloop)
		return;
	quorum = quorum_new();
	lock = quorum_lock(quorum, "unread");
	assert_status(redislock_quorum_lock_start_acquire(lock, 9), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_is_held(lock));
	assert_int_equal(redislock_quorum_timeout_ms(quorum), 0);
	assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_OK);
	assert_int_equal(redislock_event_type(quorum_event(quorum)), REDISLOCK_EVENT_CANCELLED);
	assert_int_equal(how_many_have("unread"), 0);
	quorum_end(quorum, lock);
}

/* ---- arguments ---- */

static void bad_arguments_are_refused(void **state)
{
	redislock_quorum *quorum = quorum_new(), *empty = NULL;
	redislock_quorum_lock *lock = NULL;
	redislock_event *event;
	char url[160], text[8];

	(void)state;
	assert_status(redislock_quorum_new(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_new_eventloop(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_add_server(NULL, servers[0].url), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_add_server(quorum, NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_add_server(quorum, "nonsense"), REDISLOCK_INVALID_ARGUMENT);
	/* One server has one vote. */
	assert_status(redislock_quorum_add_server(quorum, servers[2].url), REDISLOCK_INVALID_ARGUMENT);
	snprintf(url, sizeof(url), "%s?db=3", servers[2].url);
	assert_status(redislock_quorum_add_server(quorum, url), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_set_server_timeout_ms(quorum, 0), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_set_server_timeout_ms(quorum, INT64_MAX), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_new(quorum, "", 0, &lock), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_new(quorum, NULL, 3, &lock), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_new(quorum, "x", 1, NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_new(NULL, "x", 1, &lock), REDISLOCK_INVALID_ARGUMENT);
	assert_null(lock);
	assert_status(redislock_quorum_new(&empty), REDISLOCK_OK);
	assert_status(redislock_quorum_lock_new(empty, "x", 1, &lock), REDISLOCK_INVALID_ARGUMENT);
	for (int i = 0; i < 31; i++) {
		snprintf(url, sizeof(url), "redis://host:%d", i + 1);
		assert_status(redislock_quorum_add_server(empty, url), REDISLOCK_OK);
	}
	assert_status(redislock_quorum_add_server(empty, "redis://one-more"), REDISLOCK_INVALID_ARGUMENT);
	redislock_quorum_free(empty);

	lock = quorum_lock(quorum, "bad");
	assert_status(redislock_quorum_add_server(quorum, "redis://later"), REDISLOCK_IN_USE);
	assert_status(redislock_quorum_lock_set_ttl_ms(lock, 0), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_ttl_ms(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_ttl_ms(lock, INT64_MAX), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_ttl_ms(NULL, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_renewal(lock, 2), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_wait_ms(lock, -2), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_spin_interval_ms(lock, 0), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_owner(lock, "\n", 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_set_owner(lock, NULL, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_token(lock, NULL, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_error(lock, text, 0), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_error(NULL, text, sizeof(text)), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_acquire(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_release(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_cancel(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lock_interrupt(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_interrupt(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_lost_fd(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_quorum_fd(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_int_equal(redislock_quorum_timeout_ms(NULL), -1);
	assert_status(redislock_quorum_next_event(quorum, NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_int_equal(redislock_quorum_lock_is_held(NULL), 0);
	assert_int_equal(redislock_quorum_lock_remaining_ms(NULL), 0);
	assert_int_equal(redislock_quorum_lock_agreed(NULL), 0);
	assert_null(redislock_quorum_lock_name(NULL, NULL));
	assert_null(redislock_event_quorum_lock(NULL));
	redislock_quorum_free(NULL);
	redislock_quorum_lock_free(NULL);
	if (eventloop) {
		assert_status(redislock_quorum_lock_acquire(lock), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_lock_release(lock), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_lock_extend(lock, 1), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_lock_interrupt(lock), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_interrupt(quorum), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_lost_fd(quorum), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_lock_start_extend(lock, 0, 1), REDISLOCK_INVALID_ARGUMENT);
	} else {
		assert_status(redislock_quorum_lock_start_acquire(lock, 1), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_fd(quorum), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_dispatch(quorum), REDISLOCK_WRONG_MODE);
		assert_status(redislock_quorum_next_event(quorum, &event), REDISLOCK_WRONG_MODE);
	}
	quorum_end(quorum, lock);
}

/* ---- all of it ---- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		quorum_test(held_on_every_server_and_released_on_every_server),
		quorum_test(only_one_holds_and_the_next_comes_after),
		quorum_test(a_majority_is_more_than_half),
		quorum_test(freeing_releases_in_either_order),
		quorum_test(extension_counts_from_now),
		quorum_test(lease_that_is_not_renewed_ends),
		quorum_test(wait_can_be_given_up),
		quorum_test(acquired_and_unread_is_given_up_as_well),
		quorum_test(bad_arguments_are_refused),
	};
	int failed = cmocka_run_group_tests_name("blocking", tests, quorum_start, quorum_stop);

	eventloop = true;
	return failed + cmocka_run_group_tests_name("event loop", tests, quorum_start, quorum_stop);
}
