/* SPDX-License-Identifier: MIT
 *
 * The access rules of packaging/docs/access.md for who comes through Sentinel: on the servers and on the sentinels. */
#include "access.h"
#include "chores.h"
#include "sentinels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct test_sentinels all;

/* Gives every server the rule with what it takes through Sentinel, and every sentinel its own. */
static void apply_everywhere(const char *user)
{
	assert_non_null(strstr(access_page, "\n- `+role` for "));
	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		access_apply(&all.servers[i], user);
		assert_true(test_command(&all.servers[i], NULL, 0, "ACL", "SETUSER", user, "+role", NULL));
		access_apply(&all.sentinels[i], "guest");
	}
}

static void forget_everywhere(void)
{
	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		access_forget(&all.servers[i]);
		access_forget(&all.sentinels[i]);
	}
}

static void nothing_refused_anywhere(void)
{
	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		access_nothing_refused(&all.servers[i]);
		access_nothing_refused(&all.sentinels[i]);
	}
}

static redislock_client *client_as(const char *user)
{
	redislock_client *client = test_client(all.url);

	apply_everywhere(user);
	forget_everywhere();
	assert_status(redislock_client_set_credentials(client, user, "PASSWORD"), REDISLOCK_OK);
	assert_status(redislock_client_set_sentinel_credentials(client, "guest", "PASSWORD"), REDISLOCK_OK);
	return client;
}

static void fail_over(void)
{
	struct test_server *primary = test_primary(&all, 0);

	assert_true(test_command(&all.sentinels[0], NULL, 0, "SENTINEL", "FAILOVER", TEST_SERVICE, NULL));
	test_eventually(test_primary(&all, 0) != primary && !test_is_primary(primary));
	test_sentinels_settle(&all);
}

/* On the next primary as well, to which the same client moves. */
static void locker_can_do_all_that_lockers_do(void **state)
{
	redislock_client *client = client_as("locker");

	(void)state;
	chores_of_a_locker(client, test_primary(&all, 0), "lock:before");
	fail_over();
	chores_of_a_locker(client, test_primary(&all, 0), "lock:after");
	redislock_client_free(client);
	nothing_refused_anywhere();
}

static void operator_can_look_list_and_break(void **state)
{
	redislock_client *client = client_as("operator"), *admin = test_client(all.url);

	(void)state;
	chores_of_an_operator(client, admin, test_primary(&all, 0), "lock:stuck");
	nothing_refused_anywhere();
	chore_acquire_refused(client, "lock:stuck");
	redislock_client_free(admin);
	redislock_client_free(client);
}

static void watcher_can_only_look(void **state)
{
	redislock_client *client = client_as("watcher");

	(void)state;
	chores_of_a_watcher(client, "lock:a");
	nothing_refused_anywhere();
	chore_acquire_refused(client, "lock:a");
	redislock_client_free(client);
}

static void assert_connect_says(redislock_client *client, const char *part)
{
	char text[512];

	assert_status(redislock_client_connect(client), REDISLOCK_PERMISSION);
	assert_status(redislock_client_error(client, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" doesn't say \"%s\"", text, part);
	redislock_client_free(client);
}

static void missing_right_is_named(void **state)
{
	redislock_client *client = client_as("locker");

	(void)state;
	access_apply(test_primary(&all, 0), "locker");
	assert_connect_says(client, "+role");
	client = client_as("locker");
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		assert_true(test_command(&all.sentinels[i], NULL, 0, "ACL", "SETUSER", "guest", "-sentinel", NULL));
	assert_connect_says(client, "+sentinel|get-master-addr-by-name");
}

/* ---- what is outside ---- */

static const char *const outside[][6] = {
	{ "SENTINEL", "MASTERS" },
	{ "SENTINEL", "MASTER", TEST_SERVICE },
	{ "SENTINEL", "REPLICAS", TEST_SERVICE },
	{ "SENTINEL", "SENTINELS", TEST_SERVICE },
	{ "SENTINEL", "FAILOVER", TEST_SERVICE },
	{ "SENTINEL", "RESET", "*" },
	{ "SENTINEL", "REMOVE", TEST_SERVICE },
	{ "SENTINEL", "SET", TEST_SERVICE, "quorum", "3" },
	{ "SENTINEL", "CONFIG", "GET", "*" },
	{ "SUBSCRIBE", "+sdown" },
	{ "SUBSCRIBE", "other" },
	{ "PSUBSCRIBE", "*" },
	{ "PUBLISH", "+switch-master", "x" },
	{ "PUBLISH", "__sentinel__:hello", "x" },
	{ "INFO" },
	{ "ROLE" },
	{ "PING" },
	{ "CLIENT", "LIST" },
	{ "ACL", "LIST" },
	{ "ACL", "SETUSER", "guest", "+@all" },
	{ "SHUTDOWN", "NOSAVE" },
};

static void sentinels_refuse_everything_else(void **state)
{
	(void)state;
	apply_everywhere("locker");
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		assert_all_refused(&all.sentinels[i], "guest", outside);
}

static void servers_refuse_everything_else(void **state)
{
	static const char *const users[] = { "locker", "operator", "watcher" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		apply_everywhere(users[i]);
		access_rest_refused(test_primary(&all, 0), users[i]);
	}
}

/* ---- nothing too much ---- */

static bool is_refused_without(const char *right)
{
	redislock_client *client = client_as("locker");
	char without[64], log[4096];
	bool refused = false;

	if (right[0] == '&')
		strcpy(without, "resetchannels");
	else
		snprintf(without, sizeof(without), "-%.*s", (int)strcspn(right + 1, "|"), right + 1);
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		assert_true(test_command(&all.sentinels[i], NULL, 0, "ACL", "SETUSER", "guest", without, NULL));
	for (const int64_t until = test_now_ms() + 2000; !refused && test_now_ms() < until; test_sleep_ms(2)) {
		redislock_client_connect(client);
		for (size_t i = 0; i < TEST_SENTINELS; i++) {
			assert_true(test_command(&all.sentinels[i], log, sizeof(log), "ACL", "LOG", NULL));
			refused |= log[0] != '\0';
		}
	}
	redislock_client_free(client);
	return refused;
}

static void guest_needs_each_of_its_rights(void **state)
{
	const char *words[ACCESS_WORDS];
	char *text;
	int count = access_rule("guest", &text, words);

	(void)state;
	for (int i = 0; i < count; i++)
		if ((words[i][0] == '+' || words[i][0] == '&') && !is_refused_without(words[i]))
			fail_msg("a guest works without %s", words[i]);
	free(text);
}

static int start(void **state)
{
	(void)state;
	access_page = access_read(REDISLOCK_SOURCE "/packaging/docs/access.md");
	test_sentinels_start(&all, 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	test_sentinels_stop(&all);
	free(access_page);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locker_can_do_all_that_lockers_do),
		cmocka_unit_test(operator_can_look_list_and_break),
		cmocka_unit_test(watcher_can_only_look),
		cmocka_unit_test(missing_right_is_named),
		cmocka_unit_test(sentinels_refuse_everything_else),
		cmocka_unit_test(servers_refuse_everything_else),
		cmocka_unit_test(guest_needs_each_of_its_rights),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
