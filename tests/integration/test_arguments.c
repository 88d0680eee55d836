/* SPDX-License-Identifier: MIT
 *
 * Bad arguments: each function in turn answers with a status, and nothing happens. */
#include "locks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_server server;
static redislock_client *client;
static redislock_lock *lock;

#define assert_invalid(call) assert_status(call, REDISLOCK_INVALID_ARGUMENT)

static void library_texts_are_total(void **state)
{
	static const int32_t edges[] = { INT32_MIN, INT32_MIN + 1, INT32_MAX, INT32_MAX - 1 };

	(void)state;
	for (int32_t status = -2000; status <= 2000; status++) {
		assert_non_null(redislock_strerror(status));
		assert_true(strlen(redislock_strerror(status)) > 0);
		assert_non_null(redislock_error_name(status));
		if (status < REDISLOCK_UNTRUSTED || status > REDISLOCK_END)
			assert_string_equal(redislock_error_name(status), "UNKNOWN");
		else
			assert_string_not_equal(redislock_error_name(status), "UNKNOWN");
	}
	for (size_t i = 0; i < 4; i++) {
		assert_non_null(redislock_strerror(edges[i]));
		assert_string_equal(redislock_error_name(edges[i]), "UNKNOWN");
	}
	assert_string_equal(redislock_error_name(REDISLOCK_NOT_ACQUIRED), "NOT_ACQUIRED");
	assert_string_equal(redislock_error_name(REDISLOCK_WRONG_MODE), "WRONG_MODE");
}

static void version_is_one_and_the_same(void **state)
{
	const int32_t number = redislock_version_number();
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "%d.%d.%d", number / 1000000, number / 1000 % 1000, number % 1000);
	assert_string_equal(redislock_version_string(), text);
	assert_int_equal(redislock_has(NULL), 0);
	assert_int_equal(redislock_has(""), 0);
	assert_int_equal(redislock_has("no such thing"), 0);
	assert_in_range(redislock_has("tls"), 0, 1);
}

static void null_handles_are_invalid(void **state)
{
	redislock_lock *new_lock = NULL;
	redislock_info *info = NULL;
	redislock_list *list = NULL;
	const char *name;
	char text[16];
	size_t length = 7;

	(void)state;
	redislock_client_free(NULL);
	redislock_lock_free(NULL);
	redislock_info_free(NULL);
	redislock_list_free(NULL);
	assert_invalid(redislock_client_set_connect_timeout_ms(NULL, 1));
	assert_invalid(redislock_client_set_command_timeout_ms(NULL, 1));
	assert_invalid(redislock_client_set_name(NULL, "x"));
	assert_invalid(redislock_client_set_credentials(NULL, "x", "y"));
	assert_invalid(redislock_client_set_interruptible(NULL, 1));
	assert_invalid(redislock_client_connect(NULL));
	assert_invalid(redislock_client_ping(NULL));
	assert_invalid(redislock_client_interrupt(NULL));
	assert_true(redislock_client_lost_fd(NULL) < 0);
	assert_invalid(redislock_client_error(NULL, text, sizeof(text)));
	assert_invalid(redislock_client_break(NULL, "x", 1, NULL, 0));
	assert_invalid(redislock_lock_new(NULL, REDISLOCK_KIND_PUBSUB, "x", 1, &new_lock));
	assert_invalid(redislock_lock_set_ttl_ms(NULL, 1));
	assert_invalid(redislock_lock_set_renewal(NULL, 1));
	assert_invalid(redislock_lock_set_wait_ms(NULL, 1));
	assert_invalid(redislock_lock_set_spin_interval_ms(NULL, 1));
	assert_invalid(redislock_lock_set_spin_growth(NULL, 100, 1));
	assert_invalid(redislock_lock_set_owner(NULL, "x", 1));
	assert_invalid(redislock_lock_set_token(NULL, "x", 1));
	assert_invalid(redislock_lock_acquire(NULL));
	assert_invalid(redislock_lock_cancel(NULL));
	assert_invalid(redislock_lock_release(NULL));
	assert_invalid(redislock_lock_extend(NULL, 1));
	assert_int_equal(redislock_lock_is_held(NULL), 0);
	assert_int_equal(redislock_lock_remaining_ms(NULL), 0);
	assert_int_equal(redislock_lock_fence(NULL), 0);
	assert_invalid(redislock_lock_token(NULL, text, sizeof(text)));
	assert_null(redislock_lock_name(NULL, &length));
	assert_null(redislock_lock_name(NULL, NULL));
	assert_null(redislock_lock_channel(NULL, &length));
	assert_int_equal(redislock_lock_place(NULL), -1);
	assert_invalid(redislock_lock_interrupt(NULL));
	assert_invalid(redislock_lock_error(NULL, text, sizeof(text)));
	assert_invalid(redislock_info_get(NULL, "x", 1, &info));
	assert_int_equal(redislock_info_locked(NULL), 0);
	redislock_info_token(NULL, &length);
	redislock_info_owner(NULL, NULL);
	redislock_info_remaining_ms(NULL);
	redislock_info_waiters(NULL);
	assert_int_equal(redislock_info_fence(NULL), 0);
	assert_invalid(redislock_list_new(NULL, "*", &list));
	assert_invalid(redislock_list_next(NULL, &name, &length));
}

static void failed_constructors_write_null(void **state)
{
	redislock_client *new_client = client;
	redislock_lock *new_lock = lock;
	char filler;
	redislock_info *info = (redislock_info *)(void *)&filler;
	redislock_list *list = (redislock_list *)(void *)&filler;

	(void)state;
	assert_invalid(redislock_client_new(NULL, &new_client));
	assert_null(new_client);
	assert_invalid(redislock_client_new("redis://127.0.0.1", NULL));
	assert_invalid(redislock_lock_new(client, 0, "x", 1, &new_lock));
	assert_null(new_lock);
	assert_invalid(redislock_lock_new(client, REDISLOCK_KIND_PUBSUB, "x", 1, NULL));
	assert_invalid(redislock_info_get(client, NULL, 1, &info));
	assert_null(info);
	assert_invalid(redislock_info_get(client, "x", 1, NULL));
	assert_invalid(redislock_list_new(NULL, NULL, &list));
	assert_null(list);
	assert_invalid(redislock_list_new(client, NULL, NULL));
}

static void kinds_and_names_out_of_range_are_invalid(void **state)
{
	static const int32_t bad[] = { INT32_MIN, -1, 0, 3, INT32_MAX };
	redislock_lock *new_lock = NULL;
	redislock_info *info = NULL;
	char *name = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(name);
	for (size_t i = 0; i < 5; i++)
		assert_invalid(redislock_lock_new(client, bad[i], "x", 1, &new_lock));
	assert_invalid(redislock_lock_new(client, REDISLOCK_KIND_SPIN, NULL, 1, &new_lock));
	assert_invalid(redislock_lock_new(client, REDISLOCK_KIND_SPIN, NULL, 0, &new_lock));
	assert_invalid(redislock_lock_new(client, REDISLOCK_KIND_SPIN, name, 0, &new_lock));
	assert_invalid(redislock_lock_new(client, REDISLOCK_KIND_SPIN, name, 1 << 20, &new_lock));
	assert_invalid(redislock_lock_new(client, REDISLOCK_KIND_SPIN, name, SIZE_MAX, &new_lock));
	assert_invalid(redislock_info_get(client, name, 0, &info));
	assert_invalid(redislock_info_get(client, name, 32769, &info));
	assert_invalid(redislock_info_get(client, name, SIZE_MAX, &info));
	assert_invalid(redislock_client_break(client, NULL, 1, NULL, 0));
	assert_invalid(redislock_client_break(client, name, 0, NULL, 0));
	assert_invalid(redislock_client_break(client, name, 32769, NULL, 0));
	assert_invalid(redislock_client_break(client, name, SIZE_MAX, NULL, 0));
	free(name);
}

static void absurd_numbers_are_invalid(void **state)
{
	static const int64_t bad[] = { INT64_MIN, INT64_MIN + 1, -1000, -2, INT64_C(1) << 53, INT64_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_invalid(redislock_lock_set_ttl_ms(lock, bad[i]));
		assert_invalid(redislock_lock_set_wait_ms(lock, bad[i]));
		assert_invalid(redislock_lock_extend(lock, bad[i]));
		assert_invalid(redislock_lock_set_spin_interval_ms(lock, bad[i]));
		assert_invalid(redislock_lock_set_spin_growth(lock, 100, bad[i]));
		assert_invalid(redislock_client_set_connect_timeout_ms(client, bad[i]));
		assert_invalid(redislock_client_set_command_timeout_ms(client, bad[i]));
	}
	assert_invalid(redislock_lock_set_ttl_ms(lock, 0));
	assert_invalid(redislock_lock_extend(lock, 0));
	assert_invalid(redislock_lock_set_spin_interval_ms(lock, 0));
	assert_invalid(redislock_lock_set_spin_interval_ms(lock, -1));
	assert_invalid(redislock_lock_set_spin_interval_ms(lock, INT64_C(1) << 31));
	assert_invalid(redislock_lock_set_spin_growth(lock, 99, 1000));
	assert_invalid(redislock_lock_set_spin_growth(lock, 1001, 1000));
	assert_invalid(redislock_lock_set_spin_growth(lock, INT32_MIN, 1000));
	assert_invalid(redislock_lock_set_spin_growth(lock, 100, 0));
	assert_invalid(redislock_lock_set_spin_growth(lock, 100, INT64_C(1) << 31));
	assert_invalid(redislock_client_set_connect_timeout_ms(client, 0));
	assert_invalid(redislock_client_set_command_timeout_ms(client, 0));
	assert_invalid(redislock_client_set_connect_timeout_ms(client, INT64_C(1) << 31));
	assert_invalid(redislock_client_set_command_timeout_ms(client, INT64_C(1) << 31));
	for (int32_t i = -2; i < 4; i++) {
		const int32_t expected = i == 0 || i == 1 ? REDISLOCK_OK : REDISLOCK_INVALID_ARGUMENT;

		assert_status(redislock_lock_set_renewal(lock, i), expected);
		assert_status(redislock_client_set_interruptible(client, 1 - i),
		              i == 0 || i == 1 ? REDISLOCK_OK : REDISLOCK_INVALID_ARGUMENT);
	}
	assert_status(redislock_client_set_interruptible(client, 0), REDISLOCK_OK);
}

static void edges_of_the_ranges_are_valid(void **state)
{
	const int64_t largest = (INT64_C(1) << 53) - 1, large = (INT64_C(1) << 31) - 1;

	(void)state;
	assert_status(redislock_lock_set_ttl_ms(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_set_ttl_ms(lock, largest), REDISLOCK_OK);
	assert_status(redislock_lock_set_ttl_ms(lock, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, largest), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	assert_status(redislock_lock_set_spin_interval_ms(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_set_spin_interval_ms(lock, large), REDISLOCK_OK);
	assert_status(redislock_lock_set_spin_growth(lock, 100, 1), REDISLOCK_OK);
	assert_status(redislock_lock_set_spin_growth(lock, 1000, large), REDISLOCK_OK);
	assert_status(redislock_client_set_connect_timeout_ms(client, large), REDISLOCK_OK);
	assert_status(redislock_client_set_command_timeout_ms(client, large), REDISLOCK_OK);
	assert_status(redislock_client_set_connect_timeout_ms(client, 5000), REDISLOCK_OK);
	assert_status(redislock_client_set_command_timeout_ms(client, 5000), REDISLOCK_OK);
}

static void tokens_and_labels_out_of_range_are_invalid(void **state)
{
	char longest[300];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	assert_status(redislock_lock_set_token(lock, longest, 128), REDISLOCK_OK);
	assert_invalid(redislock_lock_set_token(lock, longest, 129));
	assert_invalid(redislock_lock_set_token(lock, longest, SIZE_MAX));
	assert_invalid(redislock_lock_set_token(lock, longest, 0));
	assert_invalid(redislock_lock_set_token(lock, NULL, 1));
	assert_invalid(redislock_lock_set_token(lock, "with space", 10));
	assert_invalid(redislock_lock_set_token(lock, "nul\0", 4));
	assert_invalid(redislock_lock_set_token(lock, "del\x7f", 4));
	assert_invalid(redislock_lock_set_token(lock, "\xc3\xb6", 2));
	assert_status(redislock_lock_set_token(lock, NULL, 0), REDISLOCK_OK);

	assert_status(redislock_lock_set_owner(lock, longest, 255), REDISLOCK_OK);
	assert_invalid(redislock_lock_set_owner(lock, longest, 256));
	assert_invalid(redislock_lock_set_owner(lock, longest, SIZE_MAX));
	assert_invalid(redislock_lock_set_owner(lock, NULL, 1));
	assert_invalid(redislock_lock_set_owner(lock, "a\nb", 3));
	assert_invalid(redislock_lock_set_owner(lock, "a\0b", 3));
	assert_status(redislock_lock_set_owner(lock, "", 0), REDISLOCK_OK);
	assert_status(redislock_lock_set_owner(lock, NULL, 0), REDISLOCK_OK);

	assert_invalid(redislock_client_break(client, "x", 1, longest, 129));
	assert_invalid(redislock_client_break(client, "x", 1, NULL, 1));
	assert_invalid(redislock_client_break(client, "x", 1, "a b", 3));
}

static void client_texts_out_of_range_are_invalid(void **state)
{
	redislock_client *other = test_client(server.url);
	redislock_list *list = NULL;
	char *text = malloc(8192);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 8191);
	text[8191] = '\0';
	assert_invalid(redislock_client_set_name(other, text));
	text[256] = '\0';
	assert_invalid(redislock_client_set_name(other, text));
	text[255] = '\0';
	assert_status(redislock_client_set_name(other, text), REDISLOCK_OK);
	assert_invalid(redislock_client_set_name(other, "with space"));
	assert_invalid(redislock_client_set_name(other, "line\n"));
	assert_invalid(redislock_client_set_name(other, "\xc3\xb6"));
	assert_status(redislock_client_set_name(other, ""), REDISLOCK_OK);
	assert_status(redislock_client_set_name(other, NULL), REDISLOCK_OK);

	memset(text, 'x', 8191);
	assert_invalid(redislock_client_set_credentials(other, "user", NULL));
	assert_invalid(redislock_client_set_credentials(other, "user", text));
	assert_invalid(redislock_client_set_credentials(other, text, "password"));
	assert_status(redislock_client_set_credentials(other, NULL, "password"), REDISLOCK_OK);
	assert_status(redislock_client_set_credentials(other, "user", "password"), REDISLOCK_OK);
	assert_status(redislock_client_set_credentials(other, NULL, NULL), REDISLOCK_OK);
	assert_invalid(redislock_list_new(other, text, &list));
	assert_null(list);
	assert_status(redislock_client_ping(other), REDISLOCK_OK);
	free(text);
	redislock_client_free(other);
}

static void texts_are_cut_to_fit(void **state)
{
	char text[64];

	(void)state;
	assert_invalid(redislock_client_error(client, NULL, 10));
	assert_invalid(redislock_client_error(client, text, 0));
	assert_invalid(redislock_lock_error(lock, NULL, 10));
	assert_invalid(redislock_lock_error(lock, text, 0));
	assert_invalid(redislock_lock_token(lock, NULL, 10));
	assert_invalid(redislock_lock_token(lock, text, 0));
	for (size_t size = 1; size < sizeof(text); size++) {
		memset(text, '#', sizeof(text));
		assert_invalid(redislock_lock_extend(lock, 0));
		assert_status(redislock_lock_error(lock, text, size), REDISLOCK_OK);
		assert_true(strnlen(text, size) < size);
		assert_int_equal(text[size], '#');
	}
	assert_true(strlen(text) > 0);
	assert_status(redislock_client_error(client, text, 1), REDISLOCK_OK);
	assert_string_equal(text, "");
}

static void urls_that_cannot_be_read_are_invalid(void **state)
{
	static const char *const bad[] = {
		"",
		"127.0.0.1",
		"http://127.0.0.1",
		"redis:/127.0.0.1",
		"redis://127.0.0.1:0",
		"redis://127.0.0.1:65536",
		"redis://127.0.0.1:-1",
		"redis://127.0.0.1:port",
		"redis://127.0.0.1/zero",
		"redis://127.0.0.1/-1",
		"redis://127.0.0.1/99999999999999999999",
		"redis://[::1",
		"redis://user:s3cr3t@127.0.0.1:port",
		"redis://:%zz@127.0.0.1",
		"unix://",
		"unix:///x?db=",
		"unix:///x?db=one",
		"unix:///x?unknown=1",
	};
	char text[512];
	char *endless = malloc(5001);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		redislock_client *new_client = client;
		const int32_t status = redislock_client_new(bad[i], &new_client);

		if (status != REDISLOCK_INVALID_ARGUMENT && status != REDISLOCK_UNSUPPORTED)
			fail_msg("\"%s\": %s", bad[i], redislock_error_name(status));
		assert_null(new_client);
		assert_status(redislock_url_error(bad[i], text, sizeof(text)), status);
		assert_true(strlen(text) > 0);
		assert_null(strstr(text, "s3cr3t"));
	}
	assert_non_null(endless);
	memset(endless, 'x', 5000);
	endless[5000] = '\0';
	memcpy(endless, "redis://", 8);
	assert_invalid(redislock_url_error(endless, text, sizeof(text)));
	free(endless);
	assert_invalid(redislock_url_error(NULL, text, sizeof(text)));
	assert_invalid(redislock_url_error("redis://127.0.0.1", NULL, 1));
	assert_invalid(redislock_url_error("redis://127.0.0.1", text, 0));
	assert_status(redislock_url_error(server.url, text, sizeof(text)), REDISLOCK_OK);
	assert_string_equal(text, "");
	assert_status(redislock_url_error("rediss://127.0.0.1", text, sizeof(text)),
	              redislock_has("tls") ? REDISLOCK_OK : REDISLOCK_UNSUPPORTED);
}

/* After all that: nothing was written, and the handles work. */
static void handles_still_work(void **state)
{
	redislock_list *list = NULL;
	const char *name;
	size_t length;

	(void)state;
	assert_int_equal(test_number(&server, "DBSIZE", NULL), 0);
	assert_status(redislock_list_new(client, NULL, &list), REDISLOCK_OK);
	assert_invalid(redislock_list_next(list, NULL, &length));
	assert_invalid(redislock_list_next(list, &name, NULL));
	assert_status(redislock_list_next(list, &name, &length), REDISLOCK_END);
	redislock_list_free(list);
	assert_status(redislock_lock_set_ttl_ms(lock, 30000), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
}

static int start(void **state)
{
	(void)state;
	test_server_start(&server, 0, NULL);
	client = test_client(server.url);
	lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "arguments");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	redislock_lock_free(lock);
	redislock_client_free(client);
	test_server_stop(&server);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(library_texts_are_total),
		cmocka_unit_test(version_is_one_and_the_same),
		cmocka_unit_test(null_handles_are_invalid),
		cmocka_unit_test(failed_constructors_write_null),
		cmocka_unit_test(kinds_and_names_out_of_range_are_invalid),
		cmocka_unit_test(absurd_numbers_are_invalid),
		cmocka_unit_test(edges_of_the_ranges_are_valid),
		cmocka_unit_test(tokens_and_labels_out_of_range_are_invalid),
		cmocka_unit_test(client_texts_out_of_range_are_invalid),
		cmocka_unit_test(texts_are_cut_to_fit),
		cmocka_unit_test(urls_that_cannot_be_read_are_invalid),
		cmocka_unit_test(handles_still_work),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
