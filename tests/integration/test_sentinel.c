/* SPDX-License-Identifier: MIT
 *
 * A primary with two replicas and three sentinels: it is found, and found again whatever befalls it. The clients'
 * timeouts are long here, so that whoever moves on has heard of the failover and not run out of patience. */
#include "sentinels.h"
#include "locks.h"
#include "waiter.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { LONG_MS = 120000 };

static struct test_sentinels all;
static redislock_client *client, *other;

/* Of a test that strikes the primary; what it leaves behind when it fails is put in order after it. */
static redislock_lock *holder, *heir;
static struct waiter waiter;

static redislock_client *patient(const char *url)
{
	redislock_client *made = test_client(url);

	assert_status(redislock_client_set_command_timeout_ms(made, LONG_MS), REDISLOCK_OK);
	assert_status(redislock_client_set_connect_timeout_ms(made, LONG_MS), REDISLOCK_OK);
	return made;
}

static redislock_lock *held(redislock_client *owner, const char *name)
{
	redislock_lock *lock = test_lock(owner, REDISLOCK_KIND_PUBSUB, name);

	assert_status(redislock_lock_set_ttl_ms(lock, 60000), REDISLOCK_OK);
	assert_status(redislock_lock_set_renewal(lock, 1), REDISLOCK_OK);
	assert_status(redislock_lock_set_wait_ms(lock, LONG_MS), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	return lock;
}

static void primary_is_found_at_first_use(void **state)
{
	struct test_server *primary = test_primary(&all, 0);
	redislock_lock *lock;

	(void)state;
	assert_int_equal(redislock_has("sentinel"), 1);
	assert_status(redislock_client_set_name(client, "guest"), REDISLOCK_OK);
	lock = held(client, "first");
	assert_true(test_pttl(primary, "first") > 0);
	assert_int_equal(test_connections(primary, "name=guest "), 1);
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		if (&all.servers[i] != primary)
			assert_int_equal(test_connections(&all.servers[i], "name=guest "), 0);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	assert_nothing_left(primary);
}

static void database_of_the_url_is_used(void **state)
{
	struct test_server *primary = test_primary(&all, 0);
	redislock_client *third;
	redislock_lock *lock;
	char url[200];

	(void)state;
	snprintf(url, sizeof(url), "%s/3", all.url);
	third = test_client(url);
	lock = held(third, "database");
	assert_int_equal(test_pttl(primary, "database"), -2);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_client_free(third);
}

static void sentinels_that_are_down_are_passed_over(void **state)
{
	redislock_client *third;
	char url[200];

	(void)state;
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	test_server_kill(&all.sentinels[0]);
	third = patient(all.url);
	assert_status(redislock_client_ping(third), REDISLOCK_OK);
	redislock_client_free(third);

	/* One that is stopped lets us connect, and says nothing: it gets its share of the time and no more. */
	test_server_pause(&all.sentinels[1]);
	third = test_client(all.url);
	assert_status(redislock_client_set_connect_timeout_ms(third, 20000), REDISLOCK_OK);
	assert_status(redislock_client_ping(third), REDISLOCK_OK);
	redislock_client_free(third);

	/* Who has found the primary needs none of them. */
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	test_server_kill(&all.sentinels[1]);
	test_server_kill(&all.sentinels[2]);
	for (int i = 0; i < 5; i++) {
		assert_status(redislock_client_ping(client), REDISLOCK_OK);
		test_sleep_ms(20);
	}
	snprintf(url, sizeof(url), "redis+sentinel://%s/" TEST_SERVICE, all.hosts);
	third = test_client(url);
	assert_status(redislock_client_ping(third), REDISLOCK_CONNECTION_REFUSED);
	redislock_client_free(third);
}

/* One holds, one waits; then the primary is struck. The holder must be able to release, the waiter gets the lock with a
 * higher fence, and nothing stays. */
static void assert_survives(const char *name, void (*strike)(struct test_server *primary))
{
	struct test_server *primary = test_primary(&all, 1), *next;
	uint64_t fence;
	int64_t struck, moved, released;

	holder = held(client, name);
	heir = test_lock(other, REDISLOCK_KIND_PUBSUB, name);
	fence = redislock_lock_fence(holder);
	assert_status(redislock_lock_set_wait_ms(heir, LONG_MS), REDISLOCK_OK);
	waiter_start(&waiter, heir);
	test_eventually(test_queue(primary, name) == 1);
	/* What was written is with the replicas, so that a failover doesn't lose it. */
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		if (&all.servers[i] != primary)
			test_replicate(primary, &all.servers[i]);
	struck = test_now_ms();
	strike(primary);
	/* This goes to the old primary, as likely as not. */
	assert_status(redislock_lock_extend(holder, 60000), REDISLOCK_OK);
	moved = test_now_ms();
	/* It was another sentinel that told the library; this one hears of it by and by. */
	test_eventually((next = test_primary(&all, 1)) != primary);
	assert_true(test_pttl(next, name) > 0);
	assert_status(redislock_lock_release(holder), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	waiter.lock = NULL;
	released = test_now_ms();
	assert_true(redislock_lock_fence(heir) > fence);
	print_message("%s: extended %lld ms after the strike, handed over in another %lld ms\n", name,
	              (long long)(moved - struck), (long long)(released - moved));
	assert_status(redislock_lock_release(heir), REDISLOCK_OK);
	assert_nothing_left(next);
}

static void killed_primary_is_followed_by_the_next(void **state)
{
	(void)state;
	assert_survives("killed", test_server_kill);
}

static void stopped_primary_is_left_without_waiting_for_it(void **state)
{
	(void)state;
	assert_survives("stopped", test_server_pause);
}

/* Nobody is there to tell of the switch: neither the primary nor the sentinels that are listened to at first. */
static void pause_primary_and_sentinel(struct test_server *primary)
{
	test_server_pause(&all.sentinels[0]);
	test_server_pause(primary);
}

static void stopped_primary_is_left_though_its_sentinel_stopped_with_it(void **state)
{
	(void)state;
	assert_survives("both", pause_primary_and_sentinel);
}

static void fail_over(struct test_server *primary)
{
	assert_true(test_command(&all.sentinels[1], NULL, 0, "SENTINEL", "FAILOVER", TEST_SERVICE, NULL));
	test_eventually(test_primary(&all, 1) != primary && !test_is_primary(primary));
}

static void failover_by_an_operator_is_followed(void **state)
{
	(void)state;
	assert_survives("operator", fail_over);
}

static void lock_without_a_copy_is_lost_and_its_holder_told(void **state)
{
	struct test_server *primary = test_primary(&all, 1);
	redislock_lock *lock;
	uint64_t fence;

	(void)state;
	/* The replicas hear no more of what is written, also when they go on. */
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		if (&all.servers[i] != primary)
			test_server_pause(&all.servers[i]);
	test_eventually(test_number(primary, "CLIENT", "KILL", "TYPE", "replica", NULL) == 0);
	holder = test_lock(client, REDISLOCK_KIND_PUBSUB, "uncopied");
	assert_status(redislock_lock_set_ttl_ms(holder, 120000), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(holder), REDISLOCK_OK);
	fence = redislock_lock_fence(holder);
	test_server_kill(primary);
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		if (&all.servers[i] != primary)
			test_server_resume(&all.servers[i]);
	assert_status(redislock_lock_extend(holder, 120000), REDISLOCK_LOST);
	assert_int_equal(redislock_lock_is_held(holder), 0);
	lock = held(other, "uncopied");
	assert_true(redislock_lock_fence(lock) > fence);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

static void primary_that_is_demoted_is_left(void **state)
{
	struct test_server *primary = test_primary(&all, 0);
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_SPIN, "demoted");

	(void)state;
	assert_status(redislock_client_ping(client), REDISLOCK_OK);
	/* The sentinels will put that right, one way or the other. Until then nobody is told a lie. */
	assert_true(test_command(primary, NULL, 0, "REPLICAOF", "127.0.0.1", "1", NULL));
	assert_status(redislock_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_READ_ONLY);
	assert_true(test_command(primary, NULL, 0, "REPLICAOF", "NO", "ONE", NULL));
	assert_status(redislock_lock_set_wait_ms(lock, LONG_MS), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	redislock_lock_free(lock);
}

static void assert_says(const char *url, int32_t status, const char *part)
{
	redislock_client *third = test_client(url);
	char text[512] = "";

	assert_status(redislock_client_connect(third), status);
	assert_status(redislock_client_error(third, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" doesn't say \"%s\"", text, part);
	redislock_client_free(third);
}

static void each_mistake_has_its_own_text(void **state)
{
	char url[200];

	(void)state;
	snprintf(url, sizeof(url), "redis+sentinel://%s/unknown", all.hosts);
	assert_says(url, REDISLOCK_CONNECTION_REFUSED, "knows the service unknown");
	assert_says("redis+sentinel://127.0.0.1:1/" TEST_SERVICE, REDISLOCK_CONNECTION_REFUSED, "127.0.0.1:1");
	snprintf(url, sizeof(url), "redis+sentinel://127.0.0.1:%d/" TEST_SERVICE, all.servers[0].port);
	assert_says(url, REDISLOCK_PROTOCOL, "no sentinel");
	snprintf(url, sizeof(url), "redis+sentinel://:wr0ng-w0rd@%s/" TEST_SERVICE, all.hosts);
	assert_says(url, REDISLOCK_AUTHENTICATION, "primary of " TEST_SERVICE);
}

/* Sentinels may want other credentials than the primary; without, and with wrong ones, they are not asked in vain. */
static void sentinels_have_credentials_of_their_own(void **state)
{
	struct test_server *primary = test_primary(&all, 0);
	redislock_client *third;
	char monitor[96], url[256], start[64];
	const char *lines[] = { monitor, NULL };
	struct test_server guarded;

	(void)state;
	/* It guards the same server under another name, and doesn't meet the other sentinels: they can't talk to it. */
	snprintf(monitor, sizeof(monitor), "sentinel monitor alone 127.0.0.1 %d 3", primary->port);
	test_server_start(&guarded, TEST_SERVER_TCP | TEST_SERVER_SENTINEL, lines);
	assert_true(test_command(&guarded, NULL, 0, "ACL", "SETUSER", "default", "resetpass", ">s3cr3t-w0rd", "-@all",
	                         "+sentinel|get-master-addr-by-name", "+subscribe", NULL));
	snprintf(start, sizeof(start), "redis+sentinel://127.0.0.1:%d/alone", guarded.port);
	assert_says(start, REDISLOCK_AUTHENTICATION, "password");
	assert_says(start, REDISLOCK_AUTHENTICATION, "sentinel_password");
	snprintf(url, sizeof(url), "%s?sentinel_password=wr0ng-w0rd", start);
	assert_says(url, REDISLOCK_AUTHENTICATION, "sentinel_password");
	/* The primary's are not for the sentinel. */
	snprintf(url, sizeof(url), "redis+sentinel://:s3cr3t-w0rd@127.0.0.1:%d/alone", guarded.port);
	assert_says(url, REDISLOCK_AUTHENTICATION, "sentinel_password");
	snprintf(url, sizeof(url), "%s?sentinel_user=default&sentinel_password=s3cr3t-w0rd", start);
	third = test_client(url);
	assert_status(redislock_client_ping(third), REDISLOCK_OK);
	redislock_client_free(third);
	third = test_client(start);
	assert_status(redislock_client_set_sentinel_credentials(third, NULL, "s3cr3t-w0rd"), REDISLOCK_OK);
	assert_status(redislock_client_ping(third), REDISLOCK_OK);
	assert_status(redislock_client_set_sentinel_credentials(third, "me", NULL), REDISLOCK_INVALID_ARGUMENT);
	redislock_client_free(third);
	third = test_client(primary->tcp_url);
	assert_status(redislock_client_set_sentinel_credentials(third, NULL, "x"), REDISLOCK_INVALID_ARGUMENT);
	redislock_client_free(third);
	test_server_stop(&guarded);
}

static int begin(void **state)
{
	(void)state;
	test_sentinels_start(&all, 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	test_sentinels_stop(&all);
	return 0;
}

static int make_clients(void **state)
{
	(void)state;
	client = patient(all.url);
	other = patient(all.url);
	return 0;
}

static int free_clients(void **state)
{
	(void)state;
	test_sentinels_settle(&all);
	redislock_lock_free(holder);
	holder = NULL;
	if (waiter.lock != NULL)
		waiter_join(&waiter);
	waiter.lock = NULL;
	redislock_lock_free(heir);
	heir = NULL;
	redislock_client_free(client);
	redislock_client_free(other);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(primary_is_found_at_first_use, make_clients, free_clients),
		cmocka_unit_test_setup_teardown(database_of_the_url_is_used, make_clients, free_clients),
		cmocka_unit_test_setup_teardown(each_mistake_has_its_own_text, make_clients, free_clients),
		cmocka_unit_test_setup_teardown(sentinels_have_credentials_of_their_own, make_clients, free_clients),
		cmocka_unit_test_setup_teardown(killed_primary_is_followed_by_the_next, make_clients, free_clients),
		cmocka_unit_test_setup_teardown(stopped_primary_is_left_without_waiting_for_it, make_clients,
		                                free_clients),
		cmocka_unit_test_setup_teardown(stopped_primary_is_left_though_its_sentinel_stopped_with_it,
		                                make_clients, free_clients),
		cmocka_unit_test_setup_teardown(failover_by_an_operator_is_followed, make_clients, free_clients),
		cmocka_unit_test_setup_teardown(primary_that_is_demoted_is_left, make_clients, free_clients),
		cmocka_unit_test_setup_teardown(lock_without_a_copy_is_lost_and_its_holder_told, make_clients,
		                                free_clients),
		cmocka_unit_test_setup_teardown(sentinels_that_are_down_are_passed_over, make_clients, free_clients),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
