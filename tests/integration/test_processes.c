/* SPDX-License-Identifier: MIT
 *
 * Holders and waiters that die or stand still. */
#include "agent.h"

#include <string.h>

static struct test_server server;

static void assert_passed_on_in_the_end(struct agent *agent, uint64_t above)
{
	const struct agent_answer answer = agent_answer(agent);

	assert_status(answer.status, REDISLOCK_OK);
	assert_true(answer.fence > above);
}

static void death_of_a_holder_frees_the_lock_by_its_ttl(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct agent holder, waiter;
		const struct agent_options options = {
			.url = server.url, .name = "dead", .kind = test_kinds[i % 2], .ttl_ms = 1500, .renewal = 1
		};
		const struct agent_options waiting = { .url = server.url, .name = "dead", .kind = test_kinds[i / 2] };
		struct agent_answer held;

		agent_start(&holder, &options);
		agent_start(&waiter, &waiting);
		held = agent_do(&holder, AGENT_ACQUIRE, 0);
		assert_status(held.status, REDISLOCK_OK);
		agent_tell(&waiter, AGENT_ACQUIRE, 0);
		if (waiting.kind == REDISLOCK_KIND_PUBSUB)
			test_eventually(test_queue(&server, "dead") == 1);
		/* Longer than the TTL: it is renewed as long as the holder lives. */
		test_sleep_ms(2000);
		assert_false(agent_has_answered(&waiter));
		agent_kill(&holder);
		assert_passed_on_in_the_end(&waiter, held.fence);
		agent_do(&waiter, AGENT_END, 0);
		assert_nothing_left(&server);
	}
}

static void dead_waiter_is_passed_over(void **state)
{
	struct agent agents[3];
	const struct agent_options options = { .url = server.url, .name = "passed" };
	uint64_t fence;
	int connections;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		agent_start(&agents[i], &options);
	fence = agent_do(&agents[0], AGENT_ACQUIRE, 0).fence;
	for (size_t i = 1; i < 3; i++) {
		agent_tell(&agents[i], AGENT_ACQUIRE, 0);
		test_eventually(test_queue(&server, "passed") == (long long)i);
	}
	connections = test_connections(&server, "name=agent ");
	agent_kill(&agents[1]);
	test_eventually(test_connections(&server, "name=agent ") == connections - 2);
	assert_status(agent_do(&agents[0], AGENT_RELEASE, 0).status, REDISLOCK_OK);
	assert_passed_on_in_the_end(&agents[2], fence);
	agent_do(&agents[0], AGENT_END, 0);
	agent_do(&agents[2], AGENT_END, 0);
	assert_nothing_left(&server);
}

static void holder_that_stood_still_is_told_lost(void **state)
{
	(void)state;
	for (int32_t renewal = 0; renewal < 2; renewal++) {
		struct agent holder, waiter;
		const struct agent_options options = {
			.url = server.url, .name = "still", .ttl_ms = 1000, .renewal = renewal
		};
		const struct agent_options waiting = { .url = server.url, .name = "still" };
		struct agent_answer held, taken, look;
		char value[256];

		agent_start(&holder, &options);
		agent_start(&waiter, &waiting);
		held = agent_do(&holder, AGENT_ACQUIRE, 0);
		assert_status(held.status, REDISLOCK_OK);
		agent_tell(&waiter, AGENT_ACQUIRE, 0);
		agent_pause(&holder);
		taken = agent_answer(&waiter);
		assert_status(taken.status, REDISLOCK_OK);
		agent_resume(&holder);
		look = agent_do(&holder, AGENT_LOOK, 0);
		assert_int_equal(look.held, 0);
		assert_int_equal(look.remaining_ms, 0);
		assert_int_equal(look.fence, held.fence);
		assert_true(look.fence < taken.fence);
		assert_status(agent_do(&holder, AGENT_RELEASE, 0).status, REDISLOCK_LOST);
		test_command(&server, value, sizeof(value), "GET", "still", NULL);
		assert_string_equal(value, taken.token);
		assert_int_equal(agent_do(&waiter, AGENT_LOOK, 0).held, 1);
		assert_status(agent_do(&waiter, AGENT_RELEASE, 0).status, REDISLOCK_OK);
		agent_do(&holder, AGENT_END, 0);
		agent_do(&waiter, AGENT_END, 0);
		assert_nothing_left(&server);
	}
}

/* It stands still at the head of the queue when its turn comes. The next one gets the lock; it itself later, too. */
static void waiter_that_stands_still_costs_a_hand_off_only(void **state)
{
	struct agent agents[3];
	const struct agent_options options = { .url = server.url, .name = "asleep", .ttl_ms = 600000 };
	uint64_t fence;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		agent_start(&agents[i], &options);
	fence = agent_do(&agents[0], AGENT_ACQUIRE, 0).fence;
	for (size_t i = 1; i < 3; i++) {
		agent_tell(&agents[i], AGENT_ACQUIRE, 0);
		test_eventually(test_queue(&server, "asleep") == (long long)i);
	}
	agent_pause(&agents[1]);
	assert_status(agent_do(&agents[0], AGENT_RELEASE, 0).status, REDISLOCK_OK);
	/* A hand-off lease, not the TTL of ten minutes. */
	assert_passed_on_in_the_end(&agents[2], fence);
	agent_resume(&agents[1]);
	test_eventually(test_queue(&server, "asleep") == 1);
	assert_false(agent_has_answered(&agents[1]));
	fence = agent_do(&agents[2], AGENT_LOOK, 0).fence;
	assert_status(agent_do(&agents[2], AGENT_RELEASE, 0).status, REDISLOCK_OK);
	assert_passed_on_in_the_end(&agents[1], fence);
	for (size_t i = 0; i < 3; i++)
		agent_do(&agents[i], AGENT_END, 0);
	assert_nothing_left(&server);
}

/* The whole wait passes while it stands still: it must not believe a hand-off that came meanwhile and ran out. */
static void waiter_does_not_believe_an_old_hand_off(void **state)
{
	struct agent agents[3];
	const struct agent_options options = { .url = server.url, .name = "old" };
	struct agent_answer answers[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		agent_start(&agents[i], &options);
	answers[0] = agent_do(&agents[0], AGENT_ACQUIRE, 0);
	agent_tell(&agents[1], AGENT_ACQUIRE, 0);
	test_eventually(test_queue(&server, "old") == 1);
	agent_pause(&agents[1]);
	assert_status(agent_do(&agents[0], AGENT_RELEASE, 0).status, REDISLOCK_OK);
	answers[2] = agent_do(&agents[2], AGENT_ACQUIRE, 0);
	assert_status(answers[2].status, REDISLOCK_OK);
	agent_resume(&agents[1]);
	test_sleep_ms(1500);
	assert_false(agent_has_answered(&agents[1]));
	assert_int_equal(agent_do(&agents[2], AGENT_LOOK, 0).held, 1);
	assert_status(agent_do(&agents[2], AGENT_RELEASE, 0).status, REDISLOCK_OK);
	assert_passed_on_in_the_end(&agents[1], answers[2].fence);
	for (size_t i = 0; i < 3; i++)
		agent_do(&agents[i], AGENT_END, 0);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(death_of_a_holder_frees_the_lock_by_its_ttl),
		cmocka_unit_test(dead_waiter_is_passed_over),
		cmocka_unit_test(holder_that_stood_still_is_told_lost),
		cmocka_unit_test(waiter_that_stands_still_costs_a_hand_off_only),
		cmocka_unit_test(waiter_does_not_believe_an_old_hand_off),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
