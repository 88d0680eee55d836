/* SPDX-License-Identifier: MIT
 *
 * Looking at locks from outside, listing them, breaking them. */
#include "locks.h"
#include "waiter.h"

#include <stdio.h>
#include <string.h>

static struct test_server server;
static redislock_client *client, *other;

static redislock_info *info_of(const char *name)
{
	redislock_info *info = NULL;

	assert_status(redislock_info_get(other, name, strlen(name), &info), REDISLOCK_OK);
	assert_non_null(info);
	return info;
}

static void name_that_is_not_locked(void **state)
{
	redislock_info *info = info_of("nothing");
	size_t length = 9;

	(void)state;
	assert_int_equal(redislock_info_locked(info), 0);
	assert_string_equal(redislock_info_token(info, &length), "");
	assert_int_equal(length, 0);
	assert_string_equal(redislock_info_owner(info, NULL), "");
	assert_int_equal(redislock_info_remaining_ms(info), 0);
	assert_int_equal(redislock_info_waiters(info), 0);
	assert_int_equal(redislock_info_fence(info), 0);
	redislock_info_free(info);
	assert_int_equal(test_number(&server, "DBSIZE", NULL), 0);
}

static void holder_label_waiters_and_time_are_seen(void **state)
{
	static const char label[] = "schl\xc3\xb6sser 100% @host:1  x";
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "seen");
	redislock_lock *locks[3];
	struct waiter waiters[3];
	redislock_info *info;
	char token[129];
	size_t length;

	(void)state;
	assert_status(redislock_lock_set_owner(lock, label, sizeof(label) - 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	for (int i = 0; i < 3; i++) {
		locks[i] = test_lock(client, REDISLOCK_KIND_PUBSUB, "seen");
		assert_status(redislock_lock_set_owner(locks[i], "waiter", 6), REDISLOCK_OK);
		waiter_start(&waiters[i], locks[i]);
		test_eventually(test_queue(&server, "seen") == i + 1);
	}
	info = info_of("seen");
	assert_int_equal(redislock_info_locked(info), 1);
	assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
	assert_string_equal(redislock_info_token(info, &length), token);
	assert_int_equal(length, 32);
	assert_string_equal(redislock_info_owner(info, &length), label);
	assert_int_equal(length, sizeof(label) - 1);
	assert_in_range(redislock_info_remaining_ms(info), 1, 30000);
	assert_int_equal(redislock_info_waiters(info), 3);
	assert_int_equal(redislock_info_fence(info), redislock_lock_fence(lock));
	redislock_info_free(info);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	for (int i = 0; i < 3; i++) {
		assert_status(waiter_join(&waiters[i]), REDISLOCK_OK);
		info = info_of("seen");
		assert_string_equal(redislock_info_owner(info, NULL), "waiter");
		assert_int_equal(redislock_info_fence(info), redislock_lock_fence(locks[i]));
		redislock_info_free(info);
		redislock_lock_free(locks[i]);
	}
	info = info_of("seen");
	assert_int_equal(redislock_info_locked(info), 0);
	assert_string_equal(redislock_info_owner(info, NULL), "");
	assert_true(redislock_info_fence(info) > 0);
	redislock_info_free(info);
	redislock_lock_free(lock);
}

static void foreign_lock_is_seen(void **state)
{
	redislock_info *info;

	(void)state;
	test_command(&server, NULL, 0, "SET", "alien", "anything at all", NULL);
	info = info_of("alien");
	assert_int_equal(redislock_info_locked(info), 1);
	assert_string_equal(redislock_info_token(info, NULL), "anything at all");
	assert_string_equal(redislock_info_owner(info, NULL), "");
	assert_int_equal(redislock_info_remaining_ms(info), REDISLOCK_NO_EXPIRY);
	redislock_info_free(info);
	test_command(&server, NULL, 0, "DEL", "alien", NULL);
}

/* How many of the names that begin with the prefix a walk finds; each is counted once. */
static int listed(const char *pattern, const char *prefix, int count)
{
	static bool seen[10000];
	redislock_list *list = NULL;
	const char *name;
	size_t length;
	int found = 0, number;
	int32_t status;

	memset(seen, 0, sizeof(seen));
	assert_status(redislock_list_new(other, pattern, &list), REDISLOCK_OK);
	while ((status = redislock_list_next(list, &name, &length)) == REDISLOCK_OK) {
		char text[64];

		if (length >= sizeof(text) || length < strlen(prefix) || memcmp(name, prefix, strlen(prefix)) != 0)
			continue;
		memcpy(text, name, length);
		text[length] = '\0';
		if (sscanf(text + strlen(prefix), "%d", &number) == 1 && number >= 0 && number < count &&
		    !seen[number]) {
			seen[number] = true;
			found++;
		}
	}
	assert_status(status, REDISLOCK_END);
	assert_status(redislock_list_next(list, &name, &length), REDISLOCK_END);
	redislock_list_free(list);
	return found;
}

static void every_locked_name_is_listed(void **state)
{
	enum { COUNT = 500 };
	static redislock_lock *locks[COUNT];

	(void)state;
	for (int i = 0; i < COUNT; i++) {
		char name[32];

		snprintf(name, sizeof(name), "list{%d}", i);
		if (i % 2 == 0)
			snprintf(name, sizeof(name), "list-%d", i);
		locks[i] = test_lock(client, test_kinds[i % 2], name);
		assert_status(redislock_lock_acquire(locks[i]), REDISLOCK_OK);
	}
	/* Neither a foreign lock nor one that was released is listed. */
	test_command(&server, NULL, 0, "SET", "list-501", "foreign", NULL);
	assert_status(redislock_lock_release(locks[2]), REDISLOCK_OK);
	assert_int_equal(listed(NULL, "list-", 1000), COUNT / 2 - 1);
	assert_int_equal(listed("*", "list{", 1000), COUNT / 2);
	assert_int_equal(listed("list-1?", "list-", 1000), 5);
	assert_int_equal(listed("list-[24]", "list-", 1000), 1);
	assert_int_equal(listed("no such*", "list-", 1000), 0);
	for (int i = 0; i < COUNT; i++)
		redislock_lock_free(locks[i]);
	assert_int_equal(listed(NULL, "list", 1000), 0);
	test_command(&server, NULL, 0, "DEL", "list-501", NULL);
	assert_nothing_left(&server);
}

/* The server matches a pattern against a key that has the name in it twice, and knows nothing of what a lock is. */
static void what_only_looks_like_a_match_or_a_lock_is_not_listed(void **state)
{
	redislock_lock *odd = test_lock(client, REDISLOCK_KIND_PUBSUB, "a}:match-1"),
	               *gone = test_lock(client, REDISLOCK_KIND_PUBSUB, "typed-1");

	(void)state;
	assert_status(redislock_lock_acquire(odd), REDISLOCK_OK);
	assert_int_equal(listed("match-1", "a}:match-", 10), 0);
	assert_int_equal(listed("a}:match-1", "a}:match-", 10), 1);
	assert_status(redislock_lock_acquire(gone), REDISLOCK_OK);
	assert_int_equal(listed(NULL, "typed-", 10), 1);
	test_command(&server, NULL, 0, "DEL", "typed-1", NULL);
	test_command(&server, NULL, 0, "LPUSH", "typed-1", "no lock", NULL);
	assert_int_equal(listed(NULL, "typed-", 10), 0);
	test_command(&server, NULL, 0, "DEL", "typed-1", NULL);
	redislock_lock_free(odd);
	redislock_lock_free(gone);
}

static void odd_names_are_listed_exactly(void **state)
{
	static const char name[] = "odd\0{\n}%s*";
	const size_t size = sizeof(name) - 1;
	redislock_lock *lock = NULL;
	redislock_list *list = NULL;
	const char *found;
	size_t length;

	(void)state;
	assert_status(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, size, &lock), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_list_new(other, NULL, &list), REDISLOCK_OK);
	assert_status(redislock_list_next(list, &found, &length), REDISLOCK_OK);
	assert_int_equal(length, size);
	assert_memory_equal(found, name, size);
	redislock_list_free(list);
	redislock_lock_free(lock);
}

static void break_ends_a_hold_and_says_when_there_is_none(void **state)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "broken");

	(void)state;
	assert_status(redislock_client_break(other, "broken", 6, NULL, 0), REDISLOCK_NOT_LOCKED);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_client_break(other, "broken", 6, "another", 7), REDISLOCK_NOT_LOCKED);
	assert_true(test_pttl(&server, "broken") > 0);
	assert_status(redislock_client_break(other, "broken", 6, NULL, 0), REDISLOCK_OK);
	assert_int_equal(test_pttl(&server, "broken"), -2);
	assert_status(redislock_lock_release(lock), REDISLOCK_LOST);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static void break_hands_the_lock_to_the_waiter(void **state)
{
	redislock_lock *holder = test_lock(client, REDISLOCK_KIND_PUBSUB, "forced");
	redislock_lock *lock = test_lock(other, REDISLOCK_KIND_PUBSUB, "forced");
	struct waiter waiter;
	char token[129];

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(holder, 2000), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(holder, 1), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	waiter_start(&waiter, lock);
	test_eventually(test_queue(&server, "forced") == 1);
	assert_status(redislock_lock_token(holder, token, sizeof(token)), REDISLOCK_OK);
	assert_status(redislock_client_break(other, "forced", 6, token, strlen(token)), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	test_eventually(redislock_lock_is_held(holder) == 0);
	assert_status(redislock_lock_release(holder), REDISLOCK_LOST);
	assert_int_equal(redislock_lock_is_held(lock), 1);
	redislock_lock_free(holder);
	redislock_lock_free(lock);
	assert_nothing_left(&server);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	client = test_client(server.url);
	other = test_client(server.url);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_client_free(client);
	redislock_client_free(other);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name_that_is_not_locked),
		cmocka_unit_test(holder_label_waiters_and_time_are_seen),
		cmocka_unit_test(foreign_lock_is_seen),
		cmocka_unit_test(every_locked_name_is_listed),
		cmocka_unit_test(what_only_looks_like_a_match_or_a_lock_is_not_listed),
		cmocka_unit_test(odd_names_are_listed_exactly),
		cmocka_unit_test(break_ends_a_hold_and_says_when_there_is_none),
		cmocka_unit_test(break_hands_the_lock_to_the_waiter),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
