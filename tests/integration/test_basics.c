/* SPDX-License-Identifier: MIT
 *
 * A lock that nobody else wants, of both kinds: what the caller is told, and what stands on the server. */
#include "locks.h"

#include <stdio.h>
#include <poll.h>
#include <string.h>

static struct test_server server;
static redislock_client *client;

static void assert_value(const char *key, const char *expected)
{
	char value[256];

	test_command(&server, value, sizeof(value), "GET", key, NULL);
	assert_string_equal(value, expected);
}

static void assert_type(const char *key, const char *expected)
{
	char type[64];

	test_command(&server, type, sizeof(type), "TYPE", key, NULL);
	assert_string_equal(type, expected);
}

static void acquired_lock_has_its_token_as_value_and_expires(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "basic");
		char token[129];

		assert_int_equal(redislock_lock_is_held(lock), 0);
		assert_int_equal(redislock_lock_remaining_ms(lock), 0);
		assert_int_equal(redislock_lock_fence(lock), 0);
		assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		assert_string_equal(token, "");

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_int_equal(redislock_lock_is_held(lock), 1);
		assert_in_range(redislock_lock_remaining_ms(lock), 1, 30000);
		assert_in_range(redislock_lock_fence(lock), 1, (UINT64_C(1) << 53) - 1);
		assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		assert_int_equal(strlen(token), 32);
		assert_int_equal(strspn(token, "0123456789abcdef"), 32);
		assert_value("basic", token);
		assert_in_range(test_pttl(&server, "basic"), 1, 30000);

		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_int_equal(redislock_lock_is_held(lock), 0);
		assert_int_equal(redislock_lock_remaining_ms(lock), 0);
		assert_true(redislock_lock_fence(lock) > 0);
		assert_type("basic", "none");
		redislock_lock_free(lock);
		assert_nothing_left(&server);
	}
}

static void held_lock_is_in_use_and_a_free_one_not_owned(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "twice");

		assert_status(redislock_lock_release(lock), REDISLOCK_NOT_OWNED);
		assert_status(redislock_lock_extend(lock, 1000), REDISLOCK_NOT_OWNED);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_IN_USE);
		assert_status(redislock_lock_set_ttl_ms(lock, 1000), REDISLOCK_IN_USE);
		assert_status(redislock_lock_set_renewal(lock, 0), REDISLOCK_IN_USE);
		assert_status(redislock_lock_set_owner(lock, "x", 1), REDISLOCK_IN_USE);
		assert_status(redislock_lock_set_token(lock, "x", 1), REDISLOCK_IN_USE);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		assert_status(redislock_lock_release(lock), REDISLOCK_NOT_OWNED);
		assert_status(redislock_lock_set_ttl_ms(lock, 1000), REDISLOCK_OK);
		redislock_lock_free(lock);
	}
}

static void each_acquisition_has_a_new_token_and_a_higher_fence(void **state)
{
	redislock_lock *locks[2] = { test_lock(client, REDISLOCK_KIND_PUBSUB, "again"),
		                     test_lock(client, REDISLOCK_KIND_SPIN, "again") };
	char last[129] = "", token[129];
	uint64_t fence = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		redislock_lock *lock = locks[i % 2];

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
		assert_string_not_equal(token, last);
		assert_true(redislock_lock_fence(lock) > fence);
		strcpy(last, token);
		fence = redislock_lock_fence(lock);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	}
	redislock_lock_free(locks[0]);
	redislock_lock_free(locks[1]);
}

static void kinds_exclude_each_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *holder = test_lock(client, test_kinds[i], "mixed");
		redislock_lock *other = test_lock(client, test_kinds[1 - i], "mixed");

		assert_status(redislock_lock_set_wait_ms(other, 0), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(other), REDISLOCK_NOT_ACQUIRED);
		assert_int_equal(redislock_lock_is_held(other), 0);
		assert_status(redislock_lock_release(holder), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(other), REDISLOCK_OK);
		redislock_lock_free(other);
		redislock_lock_free(holder);
	}
	assert_nothing_left(&server);
}

static void token_of_the_callers_own_is_the_value(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "own-token");
	redislock_lock *other = test_lock(client, REDISLOCK_KIND_PUBSUB, "own-token-2");
	char longest[129], token[129];

	(void)state;
	memset(longest, '~', 128);
	longest[128] = '\0';
	assert_status(redislock_lock_set_token(lock, longest, 128), REDISLOCK_OK);
	assert_status(redislock_lock_set_token(other, longest, 128), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_value("own-token", longest);
	assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
	assert_string_equal(token, longest);
	assert_status(redislock_lock_acquire(other), REDISLOCK_IN_USE);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(other), REDISLOCK_OK);
	assert_status(redislock_lock_release(other), REDISLOCK_OK);

	assert_status(redislock_lock_set_token(lock, NULL, 0), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
	assert_int_equal(strlen(token), 32);
	assert_status(redislock_lock_token(lock, token, 5), REDISLOCK_OK);
	assert_int_equal(strlen(token), 4);
	redislock_lock_free(lock);
	redislock_lock_free(other);
}

static void lease_without_renewal_ends_and_is_reported_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "short");

		assert_status(redislock_lock_set_ttl_ms(lock, 200), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		assert_in_range(redislock_lock_remaining_ms(lock), 0, 200);
		test_eventually(redislock_lock_is_held(lock) == 0);
		assert_int_equal(redislock_lock_remaining_ms(lock), 0);
		test_eventually(test_pttl(&server, "short") == -2);
		assert_status(redislock_lock_release(lock), REDISLOCK_LOST);
		assert_status(redislock_lock_release(lock), REDISLOCK_NOT_OWNED);

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		test_eventually(redislock_lock_is_held(lock) == 0);
		/* It was to end like that: no loss to tell of. */
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		test_eventually(redislock_lock_is_held(lock) == 0);
		assert_status(redislock_lock_extend(lock, 1000), REDISLOCK_LOST);
		redislock_lock_free(lock);
	}
	test_eventually(test_pttl(&server, "short") == -2);
}

/* Sees the lease shrink and grow again, on the server and in the process. */
static void renewal_keeps_the_lease(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "renewed");
	const int64_t start = test_now_ms();
	uint64_t fence;
	int grown = 0;
	int64_t last = 0;

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 3000), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	fence = redislock_lock_fence(lock);
	while (test_now_ms() < start + 4500) {
		const int64_t remaining = redislock_lock_remaining_ms(lock);

		assert_int_equal(redislock_lock_is_held(lock), 1);
		assert_true(remaining <= 3000);
		grown += remaining > last && last != 0;
		last = remaining;
		test_sleep_ms(5);
	}
	assert_true(grown >= 2);
	assert_true(test_pttl(&server, "renewed") > 0);
	assert_int_equal(redislock_lock_fence(lock), fence);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

static void loss_before_anybody_asked_for_the_descriptor_is_told_as_well(void **state)
{
	redislock_client *fresh = test_client(server.url);
	redislock_lock *lock = test_lock(fresh, REDISLOCK_KIND_PUBSUB, "early-loss");
	struct pollfd poller = { .events = POLLIN };

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 300), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_true(test_command(&server, NULL, 0, "DEL", "early-loss", NULL));
	test_eventually(redislock_lock_is_held(lock) == 0);
	/* Not held by the clock is one thing, and that the client has taken note another. */
	test_eventually((poller.fd = redislock_client_lost_fd(fresh)) >= 0 && poll(&poller, 1, 0) == 1);
	redislock_lock_free(lock);
	redislock_client_free(fresh);
}

static void default_lease_is_renewed_and_setting_a_ttl_ends_that(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "default");

	(void)state;
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	test_command(&server, NULL, 0, "PEXPIRE", "default", "29000", NULL);
	assert_status(redislock_lock_extend(lock, 1500), REDISLOCK_OK);
	test_sleep_ms(2500);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	assert_in_range(test_pttl(&server, "default"), 1, 1500);
	redislock_lock_free(lock);
}

static void lock_without_expiry_stays(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "forever");

		assert_status(redislock_lock_set_ttl_ms(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		test_eventually(redislock_lock_remaining_ms(lock) == REDISLOCK_NO_EXPIRY);
		test_eventually(test_pttl(&server, "forever") == -1);
		assert_int_equal(redislock_lock_is_held(lock), 1);
		assert_status(redislock_lock_extend(lock, 5000), REDISLOCK_OK);
		assert_in_range(test_pttl(&server, "forever"), 1, 5000);
		assert_status(redislock_lock_extend(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
		assert_int_equal(test_pttl(&server, "forever"), -1);
		assert_status(redislock_lock_release(lock), REDISLOCK_OK);
		redislock_lock_free(lock);
		assert_nothing_left(&server);
	}
}

static void extend_sets_the_lease_from_now_on(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_SPIN, "extended");

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 60000), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_extend(lock, 600000), REDISLOCK_OK);
	assert_in_range(test_pttl(&server, "extended"), 300000, 600000);
	assert_in_range(redislock_lock_remaining_ms(lock), 300000, 600000);
	assert_status(redislock_lock_extend(lock, 40000), REDISLOCK_OK);
	assert_in_range(test_pttl(&server, "extended"), 1, 40000);
	assert_in_range(redislock_lock_remaining_ms(lock), 1, 40000);
	assert_status(redislock_lock_extend(lock, (INT64_C(1) << 53) - 1), REDISLOCK_OK);
	assert_true(redislock_lock_remaining_ms(lock) > 600000);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_type("extended", "none");
	redislock_lock_free(lock);
}

static void largest_ttl_is_taken(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "largest");

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, (INT64_C(1) << 53) - 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_true(redislock_lock_remaining_ms(lock) > INT64_C(1) << 52);
	assert_true(test_pttl(&server, "largest") > INT64_C(1) << 52);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	test_command(&server, NULL, 0, "DEL", "rlock-state:{largest}:largest", NULL);
}

static void lock_in_other_hands_is_lost_and_left_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		redislock_lock *lock = test_lock(client, test_kinds[i], "stolen");

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		test_command(&server, NULL, 0, "SET", "stolen", "somebody", NULL);
		assert_status(redislock_lock_release(lock), REDISLOCK_LOST);
		assert_value("stolen", "somebody");
		assert_status(redislock_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_NOT_ACQUIRED);
		test_command(&server, NULL, 0, "DEL", "stolen", NULL);

		assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
		test_command(&server, NULL, 0, "SET", "stolen", "somebody", NULL);
		assert_status(redislock_lock_extend(lock, 1000), REDISLOCK_LOST);
		assert_int_equal(redislock_lock_is_held(lock), 0);
		redislock_lock_free(lock);
		assert_value("stolen", "somebody");
		test_command(&server, NULL, 0, "DEL", "stolen", NULL);
	}
}

/* The keys of a lock in turn: each of a wrong type, each left as it was. */
static void key_of_a_wrong_type_is_reported_and_untouched(void **state)
{
	static const char *const keys[] = { "typed", "rlock-queue:{typed}:typed", "rlock-state:{typed}:typed" };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		const char *key = keys[i / 2];
		redislock_lock *lock = test_lock(client, test_kinds[i % 2], "typed");
		redislock_info *info = NULL;
		char text[256], before[512], after[512];

		assert_true(test_command(&server, NULL, 0, "FLUSHALL", NULL));
		assert_true(test_command(&server, NULL, 0, "HSET", key, "field", "value", NULL));
		test_command(&server, before, sizeof(before), "KEYS", "*", NULL);
		assert_status(redislock_lock_set_wait_ms(lock, 1000), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(lock), REDISLOCK_WRONG_TYPE);
		assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
		assert_true(strlen(text) > 0);
		assert_int_equal(redislock_lock_is_held(lock), 0);
		assert_status(redislock_lock_release(lock), REDISLOCK_NOT_OWNED);
		assert_status(redislock_info_get(client, "typed", 5, &info), REDISLOCK_WRONG_TYPE);
		assert_null(info);
		if (i / 2 == 0)
			assert_status(redislock_client_break(client, "typed", 5, NULL, 0), REDISLOCK_WRONG_TYPE);
		redislock_lock_free(lock);
		assert_type(key, "hash");
		test_command(&server, after, sizeof(after), "KEYS", "*", NULL);
		assert_string_equal(before, after);
	}
	test_command(&server, NULL, 0, "FLUSHALL", NULL);
}

static void database_of_the_url_is_used(void **state)
{
	char url[128];
	redislock_client *other;
	redislock_lock *lock, *here = test_lock(client, REDISLOCK_KIND_PUBSUB, "numbered");

	(void)state;
	snprintf(url, sizeof(url), "%s?db=3", server.url);
	other = test_client(url);
	lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "numbered");
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_int_equal(test_pttl(&server, "numbered"), -2);
	assert_status(redislock_lock_acquire(here), REDISLOCK_OK);
	redislock_lock_free(here);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(other);
}

static void tcp_works_as_well_and_the_connection_has_its_name(void **state)
{
	redislock_client *other = test_client(server.tcp_url);
	redislock_lock *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "tcp");

	(void)state;
	assert_status(redislock_client_set_name(other, "a-name"), REDISLOCK_OK);
	assert_status(redislock_client_connect(other), REDISLOCK_OK);
	assert_true(test_connections(&server, "name=a-name ") >= 1);
	assert_status(redislock_client_ping(other), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(other);
	test_eventually(test_connections(&server, "name=a-name ") == 0);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, TEST_SERVER_TCP, NULL);
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
		cmocka_unit_test(acquired_lock_has_its_token_as_value_and_expires),
		cmocka_unit_test(held_lock_is_in_use_and_a_free_one_not_owned),
		cmocka_unit_test(each_acquisition_has_a_new_token_and_a_higher_fence),
		cmocka_unit_test(kinds_exclude_each_other),
		cmocka_unit_test(token_of_the_callers_own_is_the_value),
		cmocka_unit_test(lease_without_renewal_ends_and_is_reported_once),
		cmocka_unit_test(renewal_keeps_the_lease),
		cmocka_unit_test(loss_before_anybody_asked_for_the_descriptor_is_told_as_well),
		cmocka_unit_test(default_lease_is_renewed_and_setting_a_ttl_ends_that),
		cmocka_unit_test(lock_without_expiry_stays),
		cmocka_unit_test(extend_sets_the_lease_from_now_on),
		cmocka_unit_test(largest_ttl_is_taken),
		cmocka_unit_test(lock_in_other_hands_is_lost_and_left_alone),
		cmocka_unit_test(key_of_a_wrong_type_is_reported_and_untouched),
		cmocka_unit_test(database_of_the_url_is_used),
		cmocka_unit_test(tcp_works_as_well_and_the_connection_has_its_name),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
