/* SPDX-License-Identifier: MIT
 *
 * A lock on five servers, of which two may be dead, stand still or be slow at any time. With three of them it fails
 * cleanly. In the blocking form, then in an event loop. */
#include "fork.h"
#include "quorum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void three_fail(void (*how)(size_t))
{
	for (size_t i = 0; i < MAJORITY; i++)
		how(i);
}

/* ---- two of five fail ---- */

static void take_and_release_without_two(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	for (int i = 0; i < 2; i++) {
		assert_status(quorum_try(quorum, lock), REDISLOCK_OK);
		assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	}
}

/* What a server had to say is known when it has said it, which others may be faster than. */
static bool told_of(redislock_quorum_lock *lock, size_t server)
{
	char text[2000];

	assert_status(redislock_quorum_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	return strstr(text, servers[server].socket) != NULL;
}

static void two_may_be_dead_from_the_beginning(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "two");

	(void)state;
	server_kill(1);
	server_kill(3);
	take_and_release_without_two(quorum, lock);
	assert_status(quorum_try(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, told_of(lock, 1) && told_of(lock, 3));
	assert_false(told_of(lock, 0));
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	assert_int_equal(how_many_have("two"), 0);
	quorum_end(quorum, lock);
}

static void two_may_stand_still_from_the_beginning(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "still");

	(void)state;
	server_pause(0);
	server_pause(4);
	take_and_release_without_two(quorum, lock);
	assert_int_equal(how_many_have("still"), 0);
	/* What they were told meanwhile they do late, and undo. */
	server_resume(0);
	server_resume(4);
	turn_until(quorum, how_many_have("still") == 0);
	assert_status(quorum_try(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	assert_int_equal(how_many_have("still"), 0);
	quorum_end(quorum, lock);
}

/* Always two, but not the same: a hold under renewal goes on with what there is. */
static void two_at_a_time_may_fail_during_a_hold(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "hold");
	int64_t since;

	(void)state;
	assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);

	since = test_now_ms();
	for (size_t i = 0; i < 2; i++) {
		server_lose_data(i);
		server_kill(i);
	}
	turn_until(quorum, quorum_renewed_since(lock, since));

	/* Back without their data, they take part again. */
	server_come_back(0);
	server_come_back(1);
	turn_until(quorum, how_many_have("hold") == SERVERS);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);

	since = test_now_ms();
	server_pause(2);
	server_pause(3);
	turn_until(quorum, quorum_renewed_since(lock, since));
	server_resume(2);
	server_resume(3);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);

	/* Slow: they answer, but only after a while. */
	since = test_now_ms();
	assert_true(test_command(&servers[4], NULL, 0, "CLIENT", "PAUSE", "5000", NULL));
	assert_true(test_command(&servers[0], NULL, 0, "CLIENT", "PAUSE", "5000", NULL));
	turn_until(quorum, quorum_renewed_since(lock, since));
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);

	assert_int_equal(redislock_quorum_lock_is_held(lock), 1);
	assert_false(quorum_loss_told(quorum));
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, how_many_have("hold") == 0);
	quorum_end(quorum, lock);
}

/* ---- three of five fail ---- */

static void assert_fails_cleanly(void (*how)(size_t))
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "three");
	int32_t status;

	three_fail(how);
	status = quorum_try(quorum, lock);
	assert_true(status == REDISLOCK_CONNECTION_REFUSED || status == REDISLOCK_TIMEOUT);
	assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
	for (size_t i = 0; i < SERVERS; i++)
		assert_int_equal(told_of(lock, i), i < MAJORITY);
	assert_int_equal(how_many_have("three"), 0);
	/* A majority that was never there is nothing to wait for. */
	assert_status(redislock_quorum_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	assert_status(quorum_acquire(quorum, lock), status);
	for (size_t i = 0; i < MAJORITY; i++)
		server_come_back(i);
	turn_until(quorum, quorum_try(quorum, lock) == REDISLOCK_OK);
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, how_many_have("three") == 0);
	quorum_end(quorum, lock);
}

static void three_dead_fail_cleanly(void **state)
{
	(void)state;
	assert_fails_cleanly(server_kill);
}

static void three_that_stand_still_fail_cleanly(void **state)
{
	(void)state;
	assert_fails_cleanly(server_pause);
}

static void wait_goes_on_until_a_majority_is_back(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "back");

	(void)state;
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	three_fail(server_kill);
	assert_status(redislock_quorum_lock_set_wait_ms(lock, 300), REDISLOCK_OK);
	assert_true(quorum_acquire(quorum, lock) < 0);
	assert_int_equal(how_many_have("back"), 0);
	for (size_t i = 0; i < MAJORITY; i++)
		server_come_back(i);
	assert_status(redislock_quorum_lock_set_wait_ms(lock, TEST_DEADLINE_MS), REDISLOCK_OK);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	quorum_end(quorum, lock);
}

/* Not before its end, until when it might still be renewed, and not after. */
static void assert_lost_in_time(void (*how)(size_t))
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "lost");
	int64_t until = INT64_MIN;

	assert_true(eventloop || redislock_quorum_lost_fd(quorum) >= 0);
	assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	three_fail(how);
	while (redislock_quorum_lock_is_held(lock)) {
		int64_t later = quorum_held_until(lock);

		until = later > until ? later : until;
		/* Whoever is told finds it ended. */
		if (quorum_loss_told(quorum)) {
			assert_int_equal(redislock_quorum_lock_is_held(lock), 0);
			assert_true(test_now_ms() >= until);
			break;
		}
		quorum_turn(quorum, 1);
	}
	assert_true(until > 0);
	assert_true(test_now_ms() >= until);
	assert_int_equal(redislock_quorum_lock_remaining_ms(lock), 0);
	turn_until(quorum, eventloop || quorum_loss_told(quorum));
	assert_status(quorum_release(quorum, lock), REDISLOCK_LOST);
	assert_true(told_of(lock, 0));
	/* Those that were left are told at once, the others when they are back. */
	turn_until(quorum, how_many_have("lost") == 0);
	for (size_t i = 0; i < MAJORITY; i++)
		server_come_back(i);
	turn_until(quorum, how_many_have("lost") == 0);
	quorum_end(quorum, lock);
}

static void hold_without_a_majority_is_told_lost_when_it_ends(void **state)
{
	(void)state;
	assert_lost_in_time(server_kill);
}

static void hold_whose_majority_stands_still_is_told_lost_when_it_ends(void **state)
{
	(void)state;
	assert_lost_in_time(server_pause);
}

/* Also whoever asks for the descriptor only then. */
static void hold_that_a_majority_forgot_is_told_lost(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock;

	(void)state;
	assert_non_null(quorum);
	lock = quorum_lock(quorum, "forgotten");
	assert_non_null(lock);
	assert_status(redislock_quorum_lock_set_ttl_ms(lock, 1500), REDISLOCK_OK);
	assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	for (size_t i = 0; i < MAJORITY; i++)
		server_lose_data(i);
	turn_until(quorum, !redislock_quorum_lock_is_held(lock));
	turn_until(quorum, quorum_loss_told(quorum));
	assert_false(quorum_loss_told(quorum));
	assert_status(quorum_extend(quorum, lock, TTL_MS), REDISLOCK_LOST);
	assert_status(quorum_release(quorum, lock), REDISLOCK_NOT_OWNED);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	quorum_end(quorum, lock);
	assert_int_equal(how_many_have("forgotten"), 0);
}

/* ---- processes that contend ---- */

struct hold {
	int64_t began, ended;
};

static void contend(int out, int rounds)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock;

	child_check(quorum != NULL);
	lock = quorum_lock(quorum, "contended");
	child_check(lock != NULL);
	child_check(redislock_quorum_lock_set_wait_ms(lock, REDISLOCK_FOREVER) == REDISLOCK_OK);
	for (int i = 0; i < rounds; i++) {
		struct hold hold;

		child_check(quorum_acquire(quorum, lock) == REDISLOCK_OK);
		hold.began = test_now_us();
		test_sleep_ms(2);
		hold.ended = test_now_us();
		/* Who was held up beyond the lease doesn't speak for the lock. */
		if (redislock_quorum_lock_is_held(lock))
			child_check(write(out, &hold, sizeof(hold)) == sizeof(hold));
		quorum_release(quorum, lock);
	}
	quorum_end(quorum, lock);
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

/* Two servers at a time are dead, stand still or are slow while they contend. They keep their data: whoever loses them
 * while somebody holds the lock breaks what this rests on. */
static void make_trouble(size_t step)
{
	size_t a = step % SERVERS, b = (step + 2) % SERVERS;

	if (step % 2 == 0)
		server_pause(a);
	else
		assert_true(test_command(&servers[a], NULL, 0, "CLIENT", "PAUSE", "100", NULL));
	server_kill(b);
	test_sleep_ms(100);
	server_come_back(a);
	server_come_back(b);
	test_command(&servers[a], NULL, 0, "CLIENT", "UNPAUSE", NULL);
}

static void contend_with(int processes, int rounds, bool troubled)
{
	struct hold *holds = calloc((size_t)processes * (size_t)rounds, sizeof(*holds));
	int pipes[2], running = processes;
	size_t count = 0;

	assert_non_null(holds);
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < processes; i++) {
		pid_t child = test_fork();

		assert_true(child >= 0);
		if (child == 0) {
			contend(pipes[1], rounds);
			_exit(0);
		}
	}
	close(pipes[1]);
	for (size_t step = 0; troubled && step < (size_t)SERVERS * 2; step++)
		make_trouble(step);
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

static void processes_never_hold_it_at_once_whatever_two_servers_do(void **state)
{
	(void)state;
	contend_with(6, test_scaled(20), true);
}

/* ---- forks ---- */

static void in_a_child(redislock_quorum *quorum, redislock_quorum_lock *lock)
{
	redislock_quorum_lock *made = NULL;
	char text[64];

	child_check(quorum_acquire(quorum, lock) == REDISLOCK_FORKED);
	child_check(redislock_quorum_lock_new(quorum, "x", 1, &made) == REDISLOCK_FORKED);
	child_check(redislock_quorum_lock_set_wait_ms(lock, 1) == REDISLOCK_FORKED);
	child_check(redislock_quorum_lock_token(lock, text, sizeof(text)) == REDISLOCK_FORKED);
	child_check(redislock_quorum_lock_is_held(lock) == 0);
	child_check(eventloop || redislock_quorum_interrupt(quorum) == REDISLOCK_FORKED);
	quorum_end(quorum, lock);
#ifdef __SANITIZE_THREAD__
	if (!eventloop)
		return; /* it takes a thread of the child's for the one of the parent's that isn't there */
#endif
	quorum = quorum_new();
	child_check(quorum != NULL);
	lock = quorum_lock(quorum, "forked");
	child_check(lock != NULL);
	child_check(quorum_try(quorum, lock) == REDISLOCK_NOT_ACQUIRED);
	quorum_end(quorum, lock);
}

static void child_leaves_the_parents_hold_alone(void **state)
{
	redislock_quorum *quorum = quorum_new();
	redislock_quorum_lock *lock = quorum_lock(quorum, "forked");
	int status;
	pid_t child;

	(void)state;
	assert_status(redislock_quorum_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(quorum_acquire(quorum, lock), REDISLOCK_OK);
	turn_until(quorum, redislock_quorum_lock_agreed(lock) == SERVERS);
	child = test_fork();
	assert_true(child >= 0);
	if (child == 0) {
		in_a_child(quorum, lock);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(how_many_have("forked"), SERVERS);
	turn_until(quorum, quorum_renewed_since(lock, test_now_ms() - TTL_MS / 3));
	assert_status(quorum_release(quorum, lock), REDISLOCK_OK);
	quorum_end(quorum, lock);
}

/* ---- all of it ---- */

int main(void)
{
	const struct CMUnitTest tests[] = {
		quorum_test(two_may_be_dead_from_the_beginning),
		quorum_test(two_may_stand_still_from_the_beginning),
		quorum_test(two_at_a_time_may_fail_during_a_hold),
		quorum_test(three_dead_fail_cleanly),
		quorum_test(three_that_stand_still_fail_cleanly),
		quorum_test(wait_goes_on_until_a_majority_is_back),
		quorum_test(hold_without_a_majority_is_told_lost_when_it_ends),
		quorum_test(hold_whose_majority_stands_still_is_told_lost_when_it_ends),
		quorum_test(hold_that_a_majority_forgot_is_told_lost),
		quorum_test(processes_never_hold_it_at_once),
		quorum_test(processes_never_hold_it_at_once_whatever_two_servers_do),
		quorum_test(child_leaves_the_parents_hold_alone),
	};
	int failed;

	server_timeout_ms = 2000;
	failed = cmocka_run_group_tests_name("blocking", tests, quorum_start, quorum_stop);

	eventloop = true;
	return failed + cmocka_run_group_tests_name("event loop", tests, quorum_start, quorum_stop);
}
