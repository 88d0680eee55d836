/* SPDX-License-Identifier: MIT
 *
 * One lock on five servers, of which two may be dead, stand still or be slow at any time. Each test runs in both forms. */
#include "locks.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SERVERS = 5, TTL_MS = 6000, TIMEOUT_MS = 1000, FIRST_TAG = 7 };

static struct test_server servers[SERVERS];
static bool paused[SERVERS];
static bool loop; /* the event-loop form */

/* ---- what both forms have in common ---- */

static redislock_quorum *new_quorum(void)
{
	redislock_quorum *quorum = NULL;

	assert_status(loop ? redislock_quorum_new_eventloop(&quorum) : redislock_quorum_new(&quorum), REDISLOCK_OK);
	assert_non_null(quorum);
	for (size_t i = 0; i < SERVERS; i++)
		assert_status(redislock_quorum_add_server(quorum, servers[i].url), REDISLOCK_OK);
	assert_status(redislock_quorum_set_server_timeout_ms(quorum, TIMEOUT_MS), REDISLOCK_OK);
	return quorum;
}

static redislock_quorum_lock *new_lock(redislock_quorum *quorum, const char *name)
{
	redislock_quorum_lock *lock = NULL;

	assert_status(redislock_quorum_lock_new(quorum, name, strlen(name), &lock), REDISLOCK_OK);
	assert_non_null(lock);
	assert_status(redislock_quorum_lock_set_ttl_ms(lock, TTL_MS), REDISLOCK_OK);
	assert_status(redislock_quorum_lock_set_spin_interval_ms(lock, 20), REDISLOCK_OK);
	return lock;
}

/* Lets the quorum live for a moment. */
static void turn(redislock_quorum *quorum, int most_ms)
{
	if (!loop) {
		test_sleep_ms(most_ms);
		return;
	}
	struct pollfd poller = { redislock_quorum_fd(quorum), POLLIN, 0 };

	assert_true(poller.fd >= 0);
	assert_true(poll(&poller, 1, most_ms) >= 0);
	assert_status(redislock_quorum_dispatch(quorum), REDISLOCK_OK);
}

#define turn_until(quorum, condition)                                                                                  \
	do {                                                                                                           \
		const int64_t turn_end = test_now_ms() + TEST_DEADLINE_MS;                                             \
		while (!(condition)) {                                                                                 \
			if (test_now_ms() > turn_end)                                                                  \
				fail_msg("not within %d ms: %s", TEST_DEADLINE_MS, #condition);                        \
			turn((quorum), 2);                                                                             \
		}                                                                                                      \
	} while (0)

static redislock_event *next_event(redislock_quorum *quorum)
{
	redislock_event *event = NULL;

	turn_until(quorum, redislock_quorum_next_event(quorum, &event) == REDISLOCK_OK);
	return event;
}

/* The outcome of what was started, which must be of that type where it went well. */
static int32_t outcome(redislock_quorum *quorum, int32_t started, int32_t type)
{
	redislock_event *event;

	if (started != REDISLOCK_OK)
		return started;
	event = next_event(quorum);
	assert_int_equal(redislock_event_tag(event), FIRST_TAG);
	if (redislock_event_status(event) == REDISLOCK_OK)
		assert_int_equal(redislock_event_type(event), type);
	return redislock_event_status(event);
}

static int32_t acquire(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	return loop ? outcome(quorum, redislock_quorum_lock_start_acquire(lock, FIRST_TAG), REDISLOCK_EVENT_ACQUIRED)
	            : redislock_quorum_lock_acquire(lock);
}

static int32_t release(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	return loop ? outcome(quorum, redislock_quorum_lock_start_release(lock, FIRST_TAG), REDISLOCK_EVENT_RELEASED)
	            : redislock_quorum_lock_release(lock);
}

static int32_t extend(redislock_quorum *quorum, redislock_quorum_lock *lock, int64_t ttl_ms)
{
	return loop ? outcome(quorum, redislock_quorum_lock_start_extend(lock, ttl_ms, FIRST_TAG),
	                      REDISLOCK_EVENT_EXTENDED)
	            : redislock_quorum_lock_extend(lock, ttl_ms);
}

static int32_t try_once(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	assert_status(redislock_quorum_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
	return acquire(quorum, lock);
}

/* Whether a loss was told; it is taken note of. */
static bool loss_told(redislock_quorum *quorum)
{
	redislock_event *event = NULL;
	uint64_t count;

	if (!loop)
		return read(redislock_quorum_lost_fd(quorum), &count, sizeof(count)) == (ssize_t)sizeof(count);
	if (redislock_quorum_next_event(quorum, &event) != REDISLOCK_OK)
		return false;
	assert_int_equal(redislock_event_type(event), REDISLOCK_EVENT_LOST);
	assert_int_equal(redislock_event_status(event), REDISLOCK_LOST);
	assert_int_equal(redislock_event_tag(event), FIRST_TAG);
	return true;
}

/* The end of the hold is at this moment, or later. */
static int64_t held_until(redislock_quorum_lock *lock)
{
	const int64_t now = test_now_ms(), remaining = redislock_quorum_lock_remaining_ms(lock);

	return remaining > 0 ? now + remaining : INT64_MIN;
}

/* A majority has renewed the lease since then. */
static bool renewed_since(redislock_quorum_lock *lock, int64_t moment)
{
	return held_until(lock) >= moment + TTL_MS - TTL_MS / 100 - 2;
}

/* ---- the servers ---- */

static void pause_server(size_t i)
{
	test_server_pause(&servers[i]);
	paused[i] = true;
}

static void resume_server(size_t i)
{
	test_server_resume(&servers[i]);
	paused[i] = false;
}

static void take_by_another(size_t i, const char *name)
{
	assert_true(test_command(&servers[i], NULL, 0, "SET", name, "another", NULL));
}

static bool is_there(size_t i, const char *name)
{
	return test_number(&servers[i], "EXISTS", name, NULL) == 1;
}

static size_t how_many_have(const char *name)
{
	size_t count = 0;

	for (size_t i = 0; i < SERVERS; i++)
		count += servers[i].pid != 0 && !paused[i] && is_there(i, name);
	return count;
}

static void end(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	redislock_quorum_lock_free(lock);
	redislock_quorum_free(quorum);
}

static void three_fail(void (*how)(size_t))
{
	for (size_t i = 0; i < 3; i++)
		how(i);
}

static void kill_server(size_t i)
{
	test_server_kill(&servers[i]);
}

/* ---- taking and releasing ---- */

static void held_on_every_server_and_released_on_every_server(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "every");
	char token[33], value[64];
	size_t length;

	(void)state;
	assert_string_equal(redislock_quorum_lock_name(lock, &length), "every");
	assert_int_equal(length, 5);
	assert_status(redislock_quorum_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
	assert_string_equal(token, "");
	assert_status(redislock_quorum_lock_set_owner(lock, "me", 2), REDISLOCK_OK);
	for (int i = 0; i < 3; i++) {
		assert_status(acquire(quorum, lock), REDISLOCK_OK);
		assert_int_equal(redislock_quorum_lock_is_held(lock), 1);
		/* Less the allowance for clocks. */
		assert_in_range(redislock_quorum_lock_remaining_ms(lock), 1, TTL_MS - TTL_MS / 100 - 2);
		assert_status(acquire(quorum, lock), REDISLOCK_IN_USE);
		assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_IN_USE);
		turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
		assert_status(redislock_quorum_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		for (size_t j = 0; j < SERVERS; j++) {
			assert_true(test_command(&servers[j], value, sizeof(value), "GET", "every", NULL));
			assert_int_equal(strlen(token), 32);
			assert_memory_equal(value, token, 32);
			assert_int_equal(value[32], '.');
		}
		assert_status(release(quorum, lock), REDISLOCK_OK);
		assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
		assert_int_equal(redislock_quorum_lock_agreed(lock), 0);
		assert_int_equal(how_many_have("every"), 0);
		assert_status(release(quorum, lock), REDISLOCK_NOT_OWNED);
		assert_status(extend(quorum, lock, 1000), REDISLOCK_NOT_OWNED);
	}
	end(quorum, lock);
}

static void only_one_holds_and_the_next_comes_after(void **state)
{
	redislock_quorum *quorum = new_quorum(), *other = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "one"), *next = new_lock(other, "one");

	(void)state;
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	assert_status(try_once(other, next), REDISLOCK_NOT_ACQUIRED);
	assert_status(redislock_quorum_lock_set_wait_ms(next, 50), REDISLOCK_OK);
	assert_status(acquire(other, next), REDISLOCK_NOT_ACQUIRED);
	assert_status(release(quorum, lock), REDISLOCK_OK);
	assert_status(redislock_quorum_lock_set_wait_ms(next, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_status(acquire(other, next), REDISLOCK_OK);
	assert_status(release(other, next), REDISLOCK_OK);
	end(quorum, lock);
	end(other, next);
}

static void a_majority_is_more_than_half(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "majority");

	(void)state;
	take_by_another(0, "majority");
	take_by_another(1, "majority");
	assert_status(try_once(quorum, lock), REDISLOCK_OK);
	assert_int_equal(redislock_quorum_lock_agreed(lock), 3);
	assert_status(release(quorum, lock), REDISLOCK_OK);
	assert_int_equal(how_many_have("majority"), 2);
	take_by_another(2, "majority");
	assert_status(try_once(quorum, lock), REDISLOCK_NOT_ACQUIRED);
	/* And what it had is given back. */
	assert_int_equal(how_many_have("majority"), 3);
	assert_int_equal(redislock_quorum_lock_agreed(lock), 0);
	end(quorum, lock);
}

static void freeing_releases_in_either_order(void **state)
{
	const int descriptors = test_descriptors(), threads = test_threads();

	(void)state;
	for (int order = 0; order < 2; order++) {
		redislock_quorum *quorum = new_quorum();
		redislock_quorum_lock *lock = new_lock(quorum, "freed");

		assert_status(acquire(quorum, lock), REDISLOCK_OK);
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
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "extended");

	(void)state;
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	assert_status(extend(quorum, lock, 10 * TTL_MS), REDISLOCK_OK);
	assert_true(redislock_quorum_lock_remaining_ms(lock) > 5 * TTL_MS);
	/* Three have forgotten it: that is known at once. */
	for (size_t i = 0; i < 3; i++)
		assert_true(test_command(&servers[i], NULL, 0, "FLUSHALL", NULL));
	assert_status(extend(quorum, lock, TTL_MS), REDISLOCK_LOST);
	assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
	turn_until(quorum, how_many_have("extended") == 0);
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	assert_status(release(quorum, lock), REDISLOCK_OK);
	end(quorum, lock);
}

static void lease_that_is_not_renewed_ends(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "ends");
	bool gone = false;

	(void)state;
	assert_status(redislock_quorum_lock_set_ttl_ms(lock, 300), REDISLOCK_OK);
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	while (!gone) {
		/* In this order: it mustn't believe any longer than the servers do. */
		gone = how_many_have("ends") < 3;
		if (gone)
			assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
		turn(quorum, 1);
	}
	assert_status(release(quorum, lock), REDISLOCK_LOST);
	assert_status(release(quorum, lock), REDISLOCK_NOT_OWNED);
	end(quorum, lock);
}

/* ---- two of five fail ---- */

static void take_and_release_without_two(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	for (int i = 0; i < 2; i++) {
		assert_status(try_once(quorum, lock), REDISLOCK_OK);
		assert_status(release(quorum, lock), REDISLOCK_OK);
	}
}

static void two_may_be_dead_from_the_beginning(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "two");
	char text[2000];

	(void)state;
	kill_server(1);
	kill_server(3);
	take_and_release_without_two(quorum, lock);
	assert_status(redislock_quorum_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	assert_non_null(strstr(text, servers[1].socket));
	assert_non_null(strstr(text, servers[3].socket));
	assert_null(strstr(text, servers[0].socket));
	assert_int_equal(how_many_have("two"), 0);
	end(quorum, lock);
}

static void two_may_stand_still_from_the_beginning(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "still");

	(void)state;
	pause_server(0);
	pause_server(4);
	take_and_release_without_two(quorum, lock);
	assert_int_equal(how_many_have("still"), 0);
	/* What they were told meanwhile they do late, and undo. */
	resume_server(0);
	resume_server(4);
	turn_until(quorum, how_many_have("still") == 0);
	assert_status(try_once(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	assert_status(release(quorum, lock), REDISLOCK_OK);
	assert_int_equal(how_many_have("still"), 0);
	end(quorum, lock);
}

/* Always two, but not the same: a hold under renewal goes on with what there is. */
static void two_at_a_time_may_fail_during_a_hold(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "hold");
	int64_t since;

	(void)state;
	assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);

	since = test_now_ms();
	kill_server(0);
	kill_server(1);
	turn_until(quorum, renewed_since(lock, since));

	/* Back without their data, they take part again. */
	test_server_restart(&servers[0]);
	test_server_restart(&servers[1]);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	assert_int_equal(how_many_have("hold"), SERVERS);

	since = test_now_ms();
	pause_server(2);
	pause_server(3);
	turn_until(quorum, renewed_since(lock, since));
	resume_server(2);
	resume_server(3);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);

	/* Slow: they answer, but only after a while. */
	since = test_now_ms();
	assert_true(test_command(&servers[4], NULL, 0, "CLIENT", "PAUSE", "5000", NULL));
	assert_true(test_command(&servers[0], NULL, 0, "CLIENT", "PAUSE", "5000", NULL));
	turn_until(quorum, renewed_since(lock, since));
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);

	assert_int_equal(redislock_quorum_lock_is_held(lock), 1);
	assert_false(loss_told(quorum));
	assert_status(release(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, how_many_have("hold") == 0);
	end(quorum, lock);
}

/* ---- three of five fail ---- */

static void assert_fails_cleanly(void (*how)(size_t))
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "three");
	char text[2000];
	int64_t begun;
	int32_t status;

	three_fail(how);
	begun = test_now_ms();
	status = try_once(quorum, lock);
	assert_true(status == REDISLOCK_CONNECTION_REFUSED || status == REDISLOCK_TIMEOUT ||
	            status == REDISLOCK_CONNECTION_LOST);
	assert_true(test_now_ms() - begun < TEST_DEADLINE_MS);
	assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
	assert_status(redislock_quorum_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	for (size_t i = 0; i < SERVERS; i++)
		assert_int_equal(strstr(text, servers[i].socket) != NULL, i < 3);
	assert_int_equal(how_many_have("three"), 0);
	/* A majority that was never there is no reason to wait, and no reason to give up a minute later. */
	assert_status(redislock_quorum_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	assert_int_equal(acquire(quorum, lock), status);
	for (size_t i = 0; i < 3; i++) {
		if (paused[i])
			resume_server(i);
		else
			test_server_restart(&servers[i]);
	}
	turn_until(quorum, try_once(quorum, lock) == REDISLOCK_OK);
	assert_status(release(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, how_many_have("three") == 0);
	end(quorum, lock);
}

static void three_dead_fail_cleanly(void **state)
{
	(void)state;
	assert_fails_cleanly(kill_server);
}

static void three_that_stand_still_fail_cleanly(void **state)
{
	(void)state;
	assert_fails_cleanly(pause_server);
}

static void wait_goes_on_until_a_majority_is_back(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "back");

	(void)state;
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	assert_status(release(quorum, lock), REDISLOCK_OK);
	three_fail(kill_server);
	assert_status(redislock_quorum_lock_set_wait_ms(lock, 300), REDISLOCK_OK);
	assert_true(acquire(quorum, lock) < 0);
	assert_int_equal(how_many_have("back"), 0);
	for (size_t i = 0; i < 3; i++)
		test_server_restart(&servers[i]);
	assert_status(redislock_quorum_lock_set_wait_ms(lock, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	assert_status(release(quorum, lock), REDISLOCK_OK);
	end(quorum, lock);
}

/* Not before its end, when it might still be renewed, and not after. */
static void assert_lost_in_time(void (*how)(size_t))
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "lost");
	int64_t until;

	if (!loop)
		assert_true(redislock_quorum_lost_fd(quorum) >= 0);
	assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	three_fail(how);
	until = held_until(lock);
	assert_true(until > 0);
	while (redislock_quorum_lock_is_held(lock)) {
		assert_true(test_now_ms() < until + TTL_MS);
		until = held_until(lock) > until ? held_until(lock) : until;
		/* Looked at in this order: who is told must find it ended. */
		if (loss_told(quorum)) {
			assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
			break;
		}
		turn(quorum, 1);
	}
	assert_true(test_now_ms() >= until);
	assert_int_equal(redislock_quorum_lock_remaining_ms(lock), 0);
	turn_until(quorum, loss_told(quorum) || redislock_quorum_lock_release(lock) == REDISLOCK_LOST ||
	                           redislock_quorum_lock_start_release(lock, 1) == REDISLOCK_LOST);
	turn_until(quorum, how_many_have("lost") == 0);
	for (size_t i = 0; i < 3; i++) {
		if (paused[i])
			resume_server(i);
	}
	turn_until(quorum, how_many_have("lost") == 0);
	end(quorum, lock);
}

static void hold_without_a_majority_is_told_lost_when_it_ends(void **state)
{
	(void)state;
	assert_lost_in_time(kill_server);
}

static void hold_whose_majority_stands_still_is_told_lost_when_it_ends(void **state)
{
	(void)state;
	assert_lost_in_time(pause_server);
}

/* ---- processes that contend ---- */

struct hold {
	int64_t began, ended;
};

static void contend(int out, int rounds)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "contended");

	assert_status(redislock_quorum_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	for (int i = 0; i < rounds; i++) {
		struct hold hold;

		assert_status(acquire(quorum, lock), REDISLOCK_OK);
		hold.began = test_now_us();
		test_sleep_ms(2);
		hold.ended = test_now_us();
		/* Whatever was held up beyond the lease can't speak for the lock. */
		if (redislock_quorum_lock_is_held(lock))
			assert_int_equal(write(out, &hold, sizeof(hold)), sizeof(hold));
		release(quorum, lock);
	}
	end(quorum, lock);
}

static int compare(const void *a, const void *b)
{
	const struct hold *first = a, *second = b;

	return first->began < second->began ? -1 : first->began > second->began;
}

static void assert_no_overlap(struct hold *holds, size_t count)
{
	qsort(holds, count, sizeof(*holds), compare);
	for (size_t i = 1; i < count; i++)
		assert_true(holds[i - 1].ended <= holds[i].began);
}

/* Two servers at a time are dead or stand still while they contend. */
static void trouble(int step)
{
	size_t a = (size_t)step % SERVERS, b = (size_t)(step + 2) % SERVERS;

	pause_server(a);
	kill_server(b);
	test_sleep_ms(50);
	resume_server(a);
	test_server_restart(&servers[b]);
	/* Its data are gone, which is one of the things that the algorithm can't bear at any time: all who held it then
	 * must be done before the next one fails. */
	test_sleep_ms(50);
}

static void contend_with(int processes, int rounds, bool troubled)
{
	struct hold *holds = calloc((size_t)(processes * rounds), sizeof(*holds));
	int pipes[2], running = processes;
	size_t count = 0;

	assert_non_null(holds);
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < processes; i++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			contend(pipes[1], rounds);
			_exit(0);
		}
	}
	close(pipes[1]);
	for (int step = 0; troubled && step < 6; step++)
		trouble(step);
	while (read(pipes[0], &holds[count], sizeof(*holds)) == (ssize_t)sizeof(*holds))
		count++;
	close(pipes[0]);
	while (running-- > 0) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	assert_true(count > (size_t)processes);
	assert_no_overlap(holds, count);
	test_eventually(how_many_have("contended") == 0);
	free(holds);
}

static void processes_never_hold_it_at_once(void **state)
{
	(void)state;
	contend_with(6, test_scaled(20), false);
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
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "given-up");

	(void)state;
	for (size_t i = 0; i < 3; i++)
		take_by_another(i, "given-up");
	assert_status(redislock_quorum_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	if (loop) {
		redislock_event *event;

		assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_END);
		assert_status(redislock_quorum_lock_start_acquire(lock, 9), REDISLOCK_OK);
		turn_until(quorum, how_many_have("given-up") > 3);
		assert_status(redislock_quorum_lock_start_acquire(lock, 10), REDISLOCK_IN_USE);
		assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_OK);
		assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_OK);
		event = next_event(quorum);
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
	end(quorum, lock);
}

/* It is held already, but nobody has read of it. */
static void acquired_and_unread_is_given_up_as_well(void **state)
{
	redislock_quorum *quorum;
	redislock_quorum_lock *lock;

	(void)state;
	if (!loop)
		return;
	quorum = new_quorum();
	lock = new_lock(quorum, "unread");
	assert_status(redislock_quorum_lock_start_acquire(lock, 9), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_is_held(lock));
	assert_int_equal(redislock_quorum_timeout_ms(quorum), 0);
	assert_status(redislock_quorum_lock_cancel(lock), REDISLOCK_OK);
	assert_int_equal(redislock_event_type(next_event(quorum)), REDISLOCK_EVENT_CANCELLED);
	assert_int_equal(how_many_have("unread"), 0);
	end(quorum, lock);
}

/* ---- arguments, forks ---- */

static void bad_arguments_are_refused(void **state)
{
	redislock_quorum *quorum = new_quorum(), *empty = NULL;
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

	lock = new_lock(quorum, "bad");
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
	if (loop) {
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
	end(quorum, lock);
}

static void in_a_child(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	redislock_quorum_lock *made = NULL;
	char text[64];

	assert_status(acquire(quorum, lock), REDISLOCK_FORKED);
	assert_status(redislock_quorum_lock_new(quorum, "x", 1, &made), REDISLOCK_FORKED);
	assert_status(redislock_quorum_lock_set_wait_ms(lock, 1), REDISLOCK_FORKED);
	assert_status(redislock_quorum_lock_token(lock, text, sizeof(text)), REDISLOCK_FORKED);
	assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
	if (!loop)
		assert_status(redislock_quorum_interrupt(quorum), REDISLOCK_FORKED);
	end(quorum, lock);
	quorum = new_quorum();
	lock = new_lock(quorum, "forked");
	assert_status(try_once(quorum, lock), REDISLOCK_NOT_ACQUIRED);
	end(quorum, lock);
}

static void child_leaves_the_parents_hold_alone(void **state)
{
	redislock_quorum *quorum = new_quorum();
	redislock_quorum_lock *lock = new_lock(quorum, "forked");
	int status;
	pid_t child;

	(void)state;
	assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		in_a_child(quorum, lock);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(how_many_have("forked"), SERVERS);
	turn_until(quorum, renewed_since(lock, test_now_ms() - TTL_MS / 3));
	assert_status(release(quorum, lock), REDISLOCK_OK);
	end(quorum, lock);
}

/* ---- all of it ---- */

static int start(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++)
		test_server_start(&servers[i], 0, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++)
		test_server_stop(&servers[i]);
	return 0;
}

/* Whatever a test has done to the servers. */
static int restore(void **state)
{
	(void)state;
	for (size_t i = 0; i < SERVERS; i++) {
		if (paused[i])
			resume_server(i);
		if (servers[i].pid == 0)
			test_server_restart(&servers[i]);
		test_command(&servers[i], NULL, 0, "CLIENT", "UNPAUSE", NULL);
		assert_true(test_command(&servers[i], NULL, 0, "FLUSHALL", NULL));
	}
	return 0;
}

#define quorum_test(test) cmocka_unit_test_teardown(test, restore)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		quorum_test(held_on_every_server_and_released_on_every_server),
		quorum_test(only_one_holds_and_the_next_comes_after),
		quorum_test(a_majority_is_more_than_half),
		quorum_test(freeing_releases_in_either_order),
		quorum_test(extension_counts_from_now),
		quorum_test(lease_that_is_not_renewed_ends),
		quorum_test(two_may_be_dead_from_the_beginning),
		quorum_test(two_may_stand_still_from_the_beginning),
		quorum_test(two_at_a_time_may_fail_during_a_hold),
		quorum_test(three_dead_fail_cleanly),
		quorum_test(three_that_stand_still_fail_cleanly),
		quorum_test(wait_goes_on_until_a_majority_is_back),
		quorum_test(hold_without_a_majority_is_told_lost_when_it_ends),
		quorum_test(hold_whose_majority_stands_still_is_told_lost_when_it_ends),
		quorum_test(processes_never_hold_it_at_once),
		quorum_test(wait_can_be_given_up),
		quorum_test(acquired_and_unread_is_given_up_as_well),
		quorum_test(bad_arguments_are_refused),
		quorum_test(child_leaves_the_parents_hold_alone),
	};
	int failed;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	failed = cmocka_run_group_tests_name("blocking", tests, start, stop);
	loop = true;
	return failed + cmocka_run_group_tests_name("event loop", tests, start, stop);
}
