/* SPDX-License-Identifier: MIT
 *
 * The event-loop form by its own calls: one descriptor, starts, events, cancelling and freeing at every stage. */
#include "fork.h"
#include "locks.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct test_server server;
static redislock_client *blocking; /* the other side */
static redislock_client *client;

static redislock_client *loop_client(const char *url)
{
	redislock_client *made = NULL;

	assert_status(redislock_client_new_eventloop(url, &made), REDISLOCK_OK);
	return made;
}

/* One turn of a loop that has nothing but this client. */
static void turn(redislock_client *which)
{
	struct pollfd poller = { redislock_client_fd(which), POLLIN, 0 };

	assert_true(poller.fd >= 0);
	assert_int_equal(poll(&poller, 1, TEST_DEADLINE_MS), 1);
	assert_status(redislock_client_dispatch(which), REDISLOCK_OK);
}

static redislock_event *next(redislock_client *which)
{
	redislock_event *event = NULL;

	while (redislock_client_next_event(which, &event) == REDISLOCK_END)
		turn(which);
	assert_non_null(event);
	return event;
}

static redislock_event *assert_event(redislock_client *which, int32_t type, uint64_t tag)
{
	redislock_event *event = next(which);

	assert_int_equal(redislock_event_type(event), type);
	assert_int_equal(redislock_event_tag(event), tag);
	return event;
}

static void assert_no_event(redislock_client *which)
{
	redislock_event *event = NULL;

	assert_status(redislock_client_next_event(which, &event), REDISLOCK_END);
	assert_null(event);
}

static void turn_for_a_moment(void)
{
	struct pollfd poller = { redislock_client_fd(client), POLLIN, 0 };

	poll(&poller, 1, 2);
	assert_status(redislock_client_dispatch(client), REDISLOCK_OK);
}

#define turn_until(condition)                                                                                          \
	do {                                                                                                           \
		const int64_t turn_end = test_now_ms() + TEST_DEADLINE_MS;                                             \
		while (!(condition)) {                                                                                 \
			assert_true(test_now_ms() < turn_end);                                                         \
			turn_for_a_moment();                                                                           \
		}                                                                                                      \
	} while (0)

static redislock_lock *held_by_other(const char *name)
{
	redislock_lock *lock = test_lock(blocking, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

static redislock_lock *queued(const char *name, uint64_t tag)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_start_acquire(lock, tag), REDISLOCK_OK);
	turn_until(test_queue(&server, name) == 1);
	return lock;
}

/* ---- one thing after the other ---- */

static void each_start_is_followed_by_one_event_with_its_tag(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "plain");
		redislock_event *event;

		assert_status(redislock_lock_start_acquire(lock, 7), REDISLOCK_OK);
		assert_status(redislock_lock_start_acquire(lock, 8), REDISLOCK_IN_USE);
		assert_status(redislock_lock_set_ttl_ms(lock, 1000), REDISLOCK_IN_USE);
		assert_status(redislock_lock_set_wait_ms(lock, 0), REDISLOCK_IN_USE);
		event = assert_event(client, REDISLOCK_EVENT_ACQUIRED, 7);
		assert_status(redislock_event_status(event), REDISLOCK_OK);
		assert_ptr_equal(redislock_event_lock(event), lock);
		assert_int_equal(redislock_lock_is_held(lock), 1);
		assert_status(redislock_lock_start_extend(lock, 60000, UINT64_MAX), REDISLOCK_OK);
		assert_event(client, REDISLOCK_EVENT_EXTENDED, UINT64_MAX);
		assert_true(redislock_lock_remaining_ms(lock) > 50000);
		assert_status(redislock_lock_start_release(lock, 0), REDISLOCK_OK);
		assert_status(redislock_lock_start_release(lock, 0), REDISLOCK_IN_USE);
		assert_event(client, REDISLOCK_EVENT_RELEASED, 0);
		assert_status(redislock_lock_start_release(lock, 9), REDISLOCK_NOT_OWNED);
		assert_no_event(client);
		redislock_lock_free(lock);
	}
	assert_nothing_left(&server);
}

static void descriptor_is_readable_while_there_is_something_to_read(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "readable");
	struct pollfd poller = { redislock_client_fd(client), POLLIN, 0 };

	(void)state;
	turn_until(poll(&poller, 1, 0) == 0);
	assert_true(redislock_client_timeout_ms(client) != 0);
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	turn_until(redislock_lock_is_held(lock) == 1);
	/* Dispatched, but not read. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(poll(&poller, 1, 0), 1);
		assert_int_equal(redislock_client_timeout_ms(client), 0);
		assert_status(redislock_client_dispatch(client), REDISLOCK_OK);
	}
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 1);
	turn_until(poll(&poller, 1, 0) == 0);
	assert_in_range(redislock_client_timeout_ms(client), 1, 10000);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void wait_that_ends_is_not_acquired(void **state)
{
	redislock_lock *holder = held_by_other("ends"), *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "ends");
	const int64_t start = test_now_ms();

	(void)state;
	assert_status(redislock_lock_set_wait_ms(lock, 300), REDISLOCK_OK);
	assert_status(redislock_lock_start_acquire(lock, 3), REDISLOCK_OK);
	assert_status(redislock_event_status(assert_event(client, REDISLOCK_EVENT_NOT_ACQUIRED, 3)),
	              REDISLOCK_NOT_ACQUIRED);
	assert_true(test_now_ms() - start >= 299);
	assert_int_equal(test_queue(&server, "ends"), 0);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void lease_is_renewed_without_a_thread(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "renewed");
	const int threads = test_threads();
	const int64_t start = test_now_ms();

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 600), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_start_acquire(lock, 4), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 4);
	turn_until(test_now_ms() - start > 1500);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	assert_int_equal(test_threads(), threads);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void loss_is_an_event_with_the_tag_of_its_acquire(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "lost");

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 300), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	for (uint64_t round = 1; round < 3; round++) {
		assert_status(redislock_lock_start_acquire(lock, round), REDISLOCK_OK);
		assert_event(client, REDISLOCK_EVENT_ACQUIRED, round);
		assert_true(test_command(&server, NULL, 0, "DEL", "lost", NULL));
		assert_status(redislock_event_status(assert_event(client, REDISLOCK_EVENT_LOST, round)),
		              REDISLOCK_LOST);
		assert_int_equal(redislock_lock_is_held(lock), 0);
		if (round == 1)
			assert_status(redislock_lock_start_release(lock, 9), REDISLOCK_LOST);
		assert_no_event(client);
	}
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void lease_that_ran_out_unnoticed_is_lost_at_the_next_start(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "unnoticed");

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 50), REDISLOCK_OK);
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 1);
	test_eventually(redislock_lock_is_held(lock) == 0);
	assert_status(redislock_lock_start_release(lock, 2), REDISLOCK_LOST);
	assert_no_event(client);
	assert_status(redislock_lock_start_acquire(lock, 3), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 3);
	test_eventually(redislock_lock_is_held(lock) == 0);
	assert_status(redislock_lock_start_acquire(lock, 4), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_LOST, 3);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 4);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void questions_are_answered_by_events(void **state)
{
	redislock_lock *holder = held_by_other("asked");
	redislock_event *event;
	redislock_info *info;

	(void)state;
	assert_status(redislock_client_start_ping(client, 1), REDISLOCK_OK);
	event = assert_event(client, REDISLOCK_EVENT_ANSWERED, 1);
	assert_null(redislock_event_lock(event));
	assert_null(redislock_event_take_info(event));
	assert_status(redislock_client_start_info(client, "asked", 5, 2), REDISLOCK_OK);
	event = assert_event(client, REDISLOCK_EVENT_ANSWERED, 2);
	info = redislock_event_take_info(event);
	assert_int_equal(redislock_info_locked(info), 1);
	assert_int_equal(redislock_info_fence(info), redislock_lock_fence(holder));
	redislock_info_free(info);
	assert_null(redislock_event_take_info(event));
	/* One that nobody takes is not leaked. */
	assert_status(redislock_client_start_info(client, "asked", 5, 3), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ANSWERED, 3);
	assert_status(redislock_client_start_break(client, "asked", 5, NULL, 0, 4), REDISLOCK_OK);
	assert_status(redislock_event_status(assert_event(client, REDISLOCK_EVENT_ANSWERED, 4)), REDISLOCK_OK);
	assert_status(redislock_client_start_break(client, "asked", 5, NULL, 0, 5), REDISLOCK_OK);
	assert_status(redislock_event_status(assert_event(client, REDISLOCK_EVENT_ANSWERED, 5)), REDISLOCK_NOT_LOCKED);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void failures_have_their_status_and_text(void **state)
{
	redislock_client *away = loop_client("unix:///nonexistent/socket");
	redislock_lock *lock = test_lock(away, REDISLOCK_KIND_PUBSUB, "foo");
	char text[256];

	(void)state;
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	assert_status(redislock_event_status(assert_event(away, REDISLOCK_EVENT_FAILED, 1)),
	              REDISLOCK_CONNECTION_REFUSED);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "/nonexistent/socket"));
	assert_status(redislock_client_start_ping(away, 2), REDISLOCK_OK);
	assert_status(redislock_event_status(assert_event(away, REDISLOCK_EVENT_FAILED, 2)),
	              REDISLOCK_CONNECTION_REFUSED);
	assert_status(redislock_client_error(away, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, "/nonexistent/socket"));
	redislock_lock_free(lock);
	redislock_client_free(away);
}

static void forms_do_not_mix(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "form");
	redislock_lock *other = test_lock(blocking, REDISLOCK_KIND_PUBSUB, "form");
	redislock_event *event = NULL;
	redislock_list *list;
	redislock_info *info;

	(void)state;
	assert_status(redislock_lock_acquire(lock), REDISLOCK_WRONG_MODE);
	assert_status(redislock_lock_release(lock), REDISLOCK_WRONG_MODE);
	assert_status(redislock_lock_extend(lock, 1000), REDISLOCK_WRONG_MODE);
	assert_status(redislock_lock_interrupt(lock), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_ping(client), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_connect(client), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_interrupt(client), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_set_interruptible(client, 1), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_lost_fd(client), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_break(client, "form", 4, NULL, 0), REDISLOCK_WRONG_MODE);
	assert_status(redislock_info_get(client, "form", 4, &info), REDISLOCK_WRONG_MODE);
	assert_status(redislock_list_new(client, NULL, &list), REDISLOCK_WRONG_MODE);
	assert_status(redislock_lock_start_acquire(other, 1), REDISLOCK_WRONG_MODE);
	assert_status(redislock_lock_start_release(other, 1), REDISLOCK_WRONG_MODE);
	assert_status(redislock_lock_start_extend(other, 1000, 1), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_fd(blocking), REDISLOCK_WRONG_MODE);
	assert_int_equal(redislock_client_timeout_ms(blocking), -1);
	assert_status(redislock_client_dispatch(blocking), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_next_event(blocking, &event), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_start_ping(blocking, 1), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_start_info(blocking, "form", 4, 1), REDISLOCK_WRONG_MODE);
	assert_status(redislock_client_start_break(blocking, "form", 4, NULL, 0, 1), REDISLOCK_WRONG_MODE);
	redislock_lock_free(lock);
	redislock_lock_free(other);
	assert_nothing_left(&server);
}

static void null_and_absurd_values_are_invalid(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "absurd");
	redislock_client *none = client;

	(void)state;
	assert_status(redislock_client_new_eventloop(NULL, &none), REDISLOCK_INVALID_ARGUMENT);
	assert_null(none);
	assert_status(redislock_client_new_eventloop(server.url, NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_fd(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_int_equal(redislock_client_timeout_ms(NULL), -1);
	assert_status(redislock_client_dispatch(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_next_event(client, NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_lock_start_acquire(NULL, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_lock_start_release(NULL, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_lock_start_extend(NULL, 1000, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_lock_start_extend(lock, 0, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_lock_start_extend(lock, INT64_MAX, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_start_ping(NULL, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_start_info(client, NULL, 3, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_start_info(client, "foo", 0, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_client_start_break(client, "foo", 3, "a b", 3, 1), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_event_type(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_status(redislock_event_status(NULL), REDISLOCK_INVALID_ARGUMENT);
	assert_int_equal(redislock_event_tag(NULL), 0);
	assert_null(redislock_event_lock(NULL));
	assert_null(redislock_event_take_info(NULL));
	assert_no_event(client);
	redislock_lock_free(lock);
}

/* ---- cancelling ---- */

static void cancel_before_the_connection_is_there(void **state)
{
	redislock_client *fresh = loop_client(server.url);
	redislock_lock *lock = test_lock(fresh, REDISLOCK_KIND_PUBSUB, "early");

	(void)state;
	assert_status(redislock_lock_cancel(lock), REDISLOCK_END);
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	assert_event(fresh, REDISLOCK_EVENT_CANCELLED, 1);
	assert_no_event(fresh);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_END);
	redislock_lock_free(lock);
	redislock_client_free(fresh);
	assert_nothing_left(&server);
}

static void cancel_in_the_queue_leaves_it(void **state)
{
	redislock_lock *holder = held_by_other("leaves"), *lock = queued("leaves", 1);

	(void)state;
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	assert_status(redislock_event_status(assert_event(client, REDISLOCK_EVENT_CANCELLED, 1)), REDISLOCK_OK);
	assert_int_equal(test_queue(&server, "leaves"), 0);
	/* And it can be tried again. */
	assert_status(redislock_lock_start_acquire(lock, 2), REDISLOCK_OK);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 2);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

/* The lock is handed over, but the grant is still on its way when the wait is given up. */
static void cancel_when_granted_hands_it_on(void **state)
{
	redislock_lock *holder = held_by_other("granted"), *lock = queued("granted", 1);

	(void)state;
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_CANCELLED, 1);
	turn_until(test_pttl(&server, "granted") == -2);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

static void cancel_of_an_unread_acquisition_releases_it(void **state)
{
	(void)state;
	for (int acknowledged = 0; acknowledged < 2; acknowledged++) {
		redislock_lock *holder = held_by_other("unread"), *lock = queued("unread", 1);

		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		turn_until(redislock_lock_is_held(lock) == 1);
		if (acknowledged == 1)
			turn_until(test_pttl(&server, "unread") > 10000);
		assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
		assert_event(client, REDISLOCK_EVENT_CANCELLED, 1);
		assert_no_event(client);
		assert_int_equal(redislock_lock_is_held(lock), 0);
		assert_int_equal(test_pttl(&server, "unread"), -2);
		redislock_lock_free(lock);
		redislock_lock_free(holder);
	}
	assert_nothing_left(&server);
}

static void cancel_of_a_hold_that_is_known_does_nothing(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "known");

	(void)state;
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 1);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_END);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void cancel_while_the_server_is_away_ends_the_wait_all_the_same(void **state)
{
	redislock_lock *holder = held_by_other("away"), *lock;
	redislock_client *impatient = loop_client(server.url);

	(void)state;
	assert_status(redislock_client_set_command_timeout_ms(impatient, 300), REDISLOCK_OK);
	lock = test_lock(impatient, REDISLOCK_KIND_PUBSUB, "away");
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	while (test_queue(&server, "away") == 0)
		turn(impatient);
	test_server_pause(&server);
	assert_status(redislock_lock_cancel(lock), REDISLOCK_OK);
	assert_true(redislock_event_status(assert_event(impatient, REDISLOCK_EVENT_CANCELLED, 1)) < 0);
	test_server_resume(&server);
	/* The ticket is cleaned up later. */
	while (test_queue(&server, "away") != 0)
		turn(impatient);
	redislock_lock_free(lock);
	redislock_client_free(impatient);
	redislock_lock_free(holder);
	assert_nothing_left(&server);
}

/* ---- freeing ---- */

enum stage { UNUSED, STARTED, QUEUED, GRANTED, UNREAD, READ, RELEASING, EXTENDING, ASKED, STAGES };

/* Frees the lock, or the client first, at each stage; from the handling of an event where there is one. */
static void freeing_at_any_stage_leaves_nothing(void **state)
{
	(void)state;
	for (int at = 0; at < 2 * STAGES; at++) {
		const enum stage stage = (enum stage)(at / 2);
		redislock_client *own = loop_client(server.url);
		redislock_lock *lock = test_lock(own, REDISLOCK_KIND_PUBSUB, "freed");
		redislock_lock *holder = stage == QUEUED || stage == GRANTED ? held_by_other("freed") : NULL;
		redislock_event *event = NULL;

		if (stage >= STARTED)
			assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
		while (holder != NULL && test_queue(&server, "freed") == 0)
			turn(own);
		if (stage == GRANTED)
			assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		while (stage >= UNREAD && redislock_lock_is_held(lock) == 0)
			turn(own);
		if (stage >= READ)
			event = assert_event(own, REDISLOCK_EVENT_ACQUIRED, 1);
		if (stage == RELEASING)
			assert_status(redislock_lock_start_release(lock, 2), REDISLOCK_OK);
		if (stage == EXTENDING)
			assert_status(redislock_lock_start_extend(lock, 1000, 2), REDISLOCK_OK);
		if (stage == ASKED)
			assert_status(redislock_client_start_info(own, "freed", 5, 3), REDISLOCK_OK);
		if (at % 2 == 1)
			redislock_client_free(own);
		redislock_lock_free(lock);
		if (at % 2 == 0) {
			assert_null(redislock_event_lock(event));
			redislock_client_free(own);
		}
		redislock_lock_free(holder);
		assert_nothing_left(&server);
	}
}

static void unread_events_end_with_their_lock(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "unread");
	redislock_lock *second = test_lock(client, REDISLOCK_KIND_PUBSUB, "second");

	(void)state;
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_start_acquire(second, 2), REDISLOCK_OK);
	turn_until(redislock_lock_is_held(lock) == 1 && redislock_lock_is_held(second) == 1);
	redislock_lock_free(lock);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 2);
	assert_no_event(client);
	redislock_lock_free(second);
	assert_nothing_left(&server);
}

static void child_is_told_forked_and_the_parents_loop_goes_on(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "forked");
	redislock_event *event;
	int status = 0;

	(void)state;
	assert_status(redislock_lock_start_acquire(lock, 1), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 1);
	const pid_t child = test_fork();
	if (child == 0) {
		bool told = redislock_lock_start_release(lock, 2) == REDISLOCK_FORKED &&
		            redislock_client_dispatch(client) == REDISLOCK_FORKED &&
		            redislock_client_fd(client) == REDISLOCK_FORKED &&
		            redislock_client_next_event(client, &event) == REDISLOCK_FORKED &&
		            redislock_client_start_ping(client, 3) == REDISLOCK_FORKED;
		redislock_lock_free(lock);
		redislock_client_free(client);
		redislock_client_free(blocking);
		_exit(told ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	assert_status(redislock_lock_start_release(lock, 4), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_RELEASED, 4);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

/* A child that lives on has the old sockets, too: they must not keep the descriptor readable for ever. */
static void closed_socket_that_a_child_has_disturbs_nothing(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "child");
	struct pollfd poller = { redislock_client_fd(client), POLLIN, 0 };
	int status = 0;

	(void)state;
	assert_status(redislock_client_start_ping(client, 1), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ANSWERED, 1);
	const pid_t child = test_fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_true(test_number(&server, "CLIENT", "KILL", "TYPE", "normal", NULL) >= 1);
	turn(client);
	turn_until(poll(&poller, 1, 0) == 0);
	assert_status(redislock_lock_start_acquire(lock, 2), REDISLOCK_OK);
	assert_event(client, REDISLOCK_EVENT_ACQUIRED, 2);
	turn_until(poll(&poller, 1, 0) == 0);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	blocking = test_client(server.url);
	client = loop_client(server.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	redislock_client_free(blocking);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_start_is_followed_by_one_event_with_its_tag),
		cmocka_unit_test(descriptor_is_readable_while_there_is_something_to_read),
		cmocka_unit_test(wait_that_ends_is_not_acquired),
		cmocka_unit_test(lease_is_renewed_without_a_thread),
		cmocka_unit_test(loss_is_an_event_with_the_tag_of_its_acquire),
		cmocka_unit_test(lease_that_ran_out_unnoticed_is_lost_at_the_next_start),
		cmocka_unit_test(questions_are_answered_by_events),
		cmocka_unit_test(failures_have_their_status_and_text),
		cmocka_unit_test(forms_do_not_mix),
		cmocka_unit_test(null_and_absurd_values_are_invalid),
		cmocka_unit_test(cancel_before_the_connection_is_there),
		cmocka_unit_test(cancel_in_the_queue_leaves_it),
		cmocka_unit_test(cancel_when_granted_hands_it_on),
		cmocka_unit_test(cancel_of_an_unread_acquisition_releases_it),
		cmocka_unit_test(cancel_of_a_hold_that_is_known_does_nothing),
		cmocka_unit_test(cancel_while_the_server_is_away_ends_the_wait_all_the_same),
		cmocka_unit_test(freeing_at_any_stage_leaves_nothing),
		cmocka_unit_test(unread_events_end_with_their_lock),
		cmocka_unit_test(child_is_told_forked_and_the_parents_loop_goes_on),
		cmocka_unit_test(closed_socket_that_a_child_has_disturbs_nothing),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
