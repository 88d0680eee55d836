/* SPDX-License-Identifier: MIT */
#include "locks.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const int32_t test_kinds[2] = { REDISLOCK_KIND_PUBSUB, REDISLOCK_KIND_SPIN };

void test_status(int32_t status, int32_t expected, const char *call, const char *file, int line)
{
	if (status == expected)
		return;
	print_error("%s: %s, expected %s\n", call, redislock_error_name(status), redislock_error_name(expected));
	_fail(file, line);
}

/* In the event loop, freeing doesn't wait for the server. */
#ifdef TEST_EVENTLOOP
#define NOTHING_LEFT_MS TEST_DEADLINE_MS
#else
#define NOTHING_LEFT_MS 0
#endif

static bool something_left(struct test_server *server, char *left, size_t size)
{
	test_command(server, left, size, "EVAL",
	             "for _, key in ipairs(redis.call('KEYS', '*')) do "
	             "if string.sub(key, 1, 12) ~= 'rlock-state:' or redis.call('PTTL', key) < 0 then return key end "
	             "end return ''",
	             "0", NULL);
	return left[0] != '\0';
}

void test_nothing_left(struct test_server *server, const char *file, int line)
{
	const int64_t until = test_now_ms() + NOTHING_LEFT_MS;
	char left[1024];

	while (something_left(server, left, sizeof(left))) {
		if (test_now_ms() > until) {
			print_error("left on the server: %s\n", left);
			_fail(file, line);
		}
		test_sleep_ms(2);
	}
}

redislock_client *test_client(const char *url)
{
	redislock_client *client = NULL;

	assert_status(redislock_client_new(url, &client), REDISLOCK_OK);
	assert_non_null(client);
	return client;
}

redislock_lock *test_lock(redislock_client *client, int32_t kind, const char *name)
{
	redislock_lock *lock = NULL;

	assert_status(redislock_lock_new(client, kind, name, strlen(name), &lock), REDISLOCK_OK);
	assert_non_null(lock);
	return lock;
}

long long test_pttl(struct test_server *server, const char *key)
{
	return test_number(server, "PTTL", key, NULL);
}

long long test_queue(struct test_server *server, const char *name)
{
	char key[512];

	snprintf(key, sizeof(key), name[0] == '{' ? "rlock-queue:%.*s}:%s" : "rlock-queue:{%.*s}:%s",
	         (int)strcspn(name, "}"), name, name);
	return test_number(server, "ZCARD", key, NULL);
}

int test_scaled(int number)
{
	const char *percent = getenv("REDISLOCK_TEST_PERCENT");
	int scaled = percent != NULL && percent[0] != '\0' ? number * atoi(percent) / 100 : number;

	return scaled > 2 ? scaled : 2;
}

static int entries(const char *folder)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;
	int count = 0;

	if (directory == NULL)
		return -1;
	while ((entry = readdir(directory)) != NULL)
		if (entry->d_name[0] != '.')
			count++;
	closedir(directory);
	return count;
}

int test_descriptors(void)
{
	return entries("/proc/self/fd");
}

int test_threads(void)
{
	return entries("/proc/self/task");
}
