/* SPDX-License-Identifier: MIT
 *
 * Names are bytes: whatever the name, the key on the server is exactly that name. */
#include "locks.h"

#include <stdlib.h>
#include <string.h>

static struct test_server server;
static redislock_client *client;

struct name {
	const char *bytes;
	size_t length;
};

#define NAME(literal)                                                                                                  \
	{                                                                                                              \
		literal, sizeof(literal) - 1                                                                           \
	}

static const struct name names[] = {
	NAME("x"),
	NAME("a\0b"),
	NAME("\0"),
	NAME("\0\0\0"),
	NAME("%s%n%d%b"),
	NAME("with space"),
	NAME(" "),
	NAME("line\r\nbreak\n"),
	NAME("{"),
	NAME("}"),
	NAME("{}"),
	NAME("{}foo"),
	NAME("{foo}bar"),
	NAME("foo{bar}baz{qux}"),
	NAME("foo{{bar}}"),
	NAME("a}b"),
	NAME("a{b"),
	NAME("}{"),
	NAME("\xff\xfe\x80"),
	NAME("\xc3\x28 not UTF-8"),
	NAME("schl\xc3\xb6sser"),
	NAME("$5\r\nhello\r\n"),
	NAME("*"),
	NAME("[a-z]?\\"),
	NAME("'\"`$(id)"),
	NAME("rlock-channel:foo"),
	NAME("-1"),
};

static void get(const char *name, size_t length, char *value, size_t size)
{
	const char *arguments[] = { "GET", name };
	const size_t lengths[] = { 3, length };

	assert_true(test_command_bytes(&server, value, size, 2, arguments, lengths));
}

static redislock_lock *lock_of(int32_t kind, const char *name, size_t length)
{
	redislock_lock *lock = NULL;

	assert_status(redislock_lock_new(client, kind, name, length, &lock), REDISLOCK_OK);
	return lock;
}

static void assert_exact(int32_t kind, const char *name, size_t length)
{
	redislock_lock *lock = lock_of(kind, name, length);
	redislock_info *info = NULL;
	char token[129], value[256];
	const char *own;
	size_t size = 0;

	own = redislock_lock_name(lock, &size);
	assert_int_equal(size, length);
	assert_memory_equal(own, name, length);
	assert_int_equal(own[length], 0);
	own = redislock_lock_channel(lock, &size);
	assert_int_equal(size, length + 14);
	assert_memory_equal(own, "rlock-channel:", 14);
	assert_memory_equal(own + 14, name, length);

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_token(lock, token, sizeof(token)), REDISLOCK_OK);
	get(name, length, value, sizeof(value));
	assert_string_equal(value, token);
	assert_status(redislock_info_get(client, name, length, &info), REDISLOCK_OK);
	assert_int_equal(redislock_info_locked(info), 1);
	redislock_info_free(info);
	/* The name and its state, and nothing else. */
	assert_int_equal(test_number(&server, "DBSIZE", NULL), 2);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	get(name, length, value, sizeof(value));
	assert_string_equal(value, "(nil)");
	redislock_lock_free(lock);
	assert_true(test_command(&server, NULL, 0, "FLUSHALL", NULL));
}

static void key_is_the_exact_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_exact(REDISLOCK_KIND_PUBSUB, names[i].bytes, names[i].length);
		assert_exact(REDISLOCK_KIND_SPIN, names[i].bytes, names[i].length);
	}
}

static void every_single_byte_is_a_name(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		const char name = (char)byte;

		assert_exact(REDISLOCK_KIND_PUBSUB, &name, 1);
	}
}

static void longest_name_works_and_a_longer_one_is_refused(void **state)
{
	char *name = malloc(32769);
	redislock_lock *lock = NULL;

	(void)state;
	assert_non_null(name);
	for (size_t i = 0; i < 32769; i++)
		name[i] = (char)(i * 7);
	assert_exact(REDISLOCK_KIND_PUBSUB, name, 32768);
	assert_exact(REDISLOCK_KIND_SPIN, name, 32768);
	assert_status(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, 32769, &lock),
	              REDISLOCK_INVALID_ARGUMENT);
	assert_null(lock);
	assert_status(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, name, 0, &lock), REDISLOCK_INVALID_ARGUMENT);
	assert_null(lock);
	free(name);
}

static void like_names_are_different_locks(void **state)
{
	static const struct name alike[] = { NAME("foo"),      NAME("{foo}"), NAME("foo\0"), NAME("Foo"),  NAME("foo "),
		                             NAME("{foo}foo"), NAME("{foo"),  NAME("foo}"),  NAME("{}foo") };
	redislock_lock *locks[sizeof(alike) / sizeof(alike[0])];
	const size_t count = sizeof(alike) / sizeof(alike[0]);

	(void)state;
	for (size_t i = 0; i < count; i++) {
		locks[i] = lock_of(test_kinds[i % 2], alike[i].bytes, alike[i].length);
		assert_status(redislock_lock_set_wait_ms(locks[i], 0), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(locks[i]), REDISLOCK_OK);
	}
	assert_int_equal(test_number(&server, "DBSIZE", NULL), 2 * count);
	for (size_t i = 0; i < count; i++) {
		assert_status(redislock_lock_release(locks[i]), REDISLOCK_OK);
		redislock_lock_free(locks[i]);
	}
	assert_nothing_left(&server);
}

/* The waiter of such a name queues under it, and gets the lock when the lease of a holder ends. */
static void odd_names_are_waited_for(void **state)
{
	redislock_client *other = test_client(server.url);

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		redislock_lock *holder = lock_of(REDISLOCK_KIND_PUBSUB, names[i].bytes, names[i].length);
		redislock_lock *waiter = NULL;

		assert_status(
		        redislock_lock_new(other, REDISLOCK_KIND_PUBSUB, names[i].bytes, names[i].length, &waiter),
		        REDISLOCK_OK);
		assert_status(redislock_lock_set_ttl_ms(holder, 300), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
		assert_status(redislock_lock_acquire(waiter), REDISLOCK_OK);
		assert_true(redislock_lock_fence(waiter) > redislock_lock_fence(holder));
		assert_status(redislock_lock_release(holder), REDISLOCK_LOST);
		assert_status(redislock_lock_release(waiter), REDISLOCK_OK);
		redislock_lock_free(holder);
		redislock_lock_free(waiter);
	}
	redislock_client_free(other);
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
		cmocka_unit_test(key_is_the_exact_name),
		cmocka_unit_test(every_single_byte_is_a_name),
		cmocka_unit_test(longest_name_works_and_a_longer_one_is_refused),
		cmocka_unit_test(like_names_are_different_locks),
		cmocka_unit_test(odd_names_are_waited_for),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
