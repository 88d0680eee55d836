/* SPDX-License-Identifier: MIT
 *
 * TLS through Sentinel and in a cluster, where there is nothing else: between a client and its sentinels, its servers,
 * and the nodes it is sent to. */
#include "certificates.h"
#include "cluster.h"
#include "sentinels.h"
#include "waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct test_certificate files[] = {
	{ "authority", NULL, NULL, 10 },
	{ "stranger", NULL, NULL, 10 },
	{ "server", "authority", "IP:127.0.0.1", 10 },
};

static char folder[] = "/tmp/redislock-tls.XXXXXX";
static struct test_sentinels all;
static struct test_cluster cluster;

/* A client that trusts an authority, by its URL. */
static redislock_client *trusting(const char *url, const char *authority)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s?ca=%s/%s.pem", url, folder, authority);
	return test_client(whole);
}

/* Handed over from one client to another, renewed by the first. */
static void assert_works(redislock_client *client, redislock_client *other, struct test_server *server,
                         const char *name)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, name);
	redislock_lock *next = test_lock(other, REDISLOCK_KIND_PUBSUB, name);
	struct waiter waiter;
	uint64_t fence;

	assert_status(redislock_lock_acquire(lock), REDISLOCK_OK);
	fence = redislock_lock_fence(lock);
	assert_true(test_pttl(server, name) > 0);
	waiter_start(&waiter, next);
	test_eventually(test_queue(server, name) == 1);
	assert_status(redislock_lock_extend(lock, 60000), REDISLOCK_OK);
	assert_status(redislock_lock_release(lock), REDISLOCK_OK);
	assert_status(waiter_join(&waiter), REDISLOCK_OK);
	assert_true(redislock_lock_fence(next) > fence);
	assert_status(redislock_lock_release(next), REDISLOCK_OK);
	redislock_lock_free(lock);
	redislock_lock_free(next);
}

/* Frees the client, too. */
static void assert_fails(redislock_client *client, int32_t status, const char *part)
{
	redislock_lock *lock = test_lock(client, REDISLOCK_KIND_PUBSUB, "tls");
	char text[512];

	assert_status(redislock_lock_set_wait_ms(lock, REDISLOCK_FOREVER), REDISLOCK_OK);
	assert_status(redislock_lock_acquire(lock), status);
	assert_status(redislock_lock_error(lock, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" has no \"%s\"", text, part);
	redislock_lock_free(lock);
	redislock_client_free(client);
}

static void lock_is_handed_over_through_sentinels(void **state)
{
	redislock_client *client = trusting(all.url, "authority"), *other = trusting(all.url, "authority");
	struct test_server *primary = test_primary(&all, 0);

	(void)state;
	assert_works(client, other, primary, "before");
	assert_true(test_command(&all.sentinels[0], NULL, 0, "SENTINEL", "FAILOVER", TEST_SERVICE, NULL));
	test_eventually(test_primary(&all, 0) != primary && !test_is_primary(primary));
	test_sentinels_settle(&all);
	assert_works(client, other, test_primary(&all, 0), "after");
	redislock_client_free(client);
	redislock_client_free(other);
}

static void sentinels_of_an_unknown_authority_are_not_trusted(void **state)
{
	(void)state;
	assert_fails(trusting(all.url, "stranger"), REDISLOCK_UNTRUSTED, "by nobody whom");
	assert_fails(test_client(all.url), REDISLOCK_UNTRUSTED, "by nobody whom");
}

/* Its sentinel is one that may be believed, and it isn't. */
static void primary_of_an_unknown_authority_is_not_trusted(void **state)
{
	char url[160], monitor[96];
	const char *lines[] = { monitor, NULL };
	const struct test_certificate strange = { "server", "stranger", "IP:127.0.0.1", 10 };
	struct test_server server, sentinel;

	(void)state;
	test_certificate_make(folder, &strange);
	test_server_start(&server, TEST_SERVER_TCP | TEST_SERVER_TLS, NULL);
	test_certificate_make(folder, &files[2]);
	snprintf(monitor, sizeof(monitor), "sentinel monitor alone 127.0.0.1 %d 1", server.port);
	test_server_start(&sentinel, TEST_SERVER_TCP | TEST_SERVER_TLS | TEST_SERVER_SENTINEL, lines);
	snprintf(url, sizeof(url), "rediss+sentinel://127.0.0.1:%d/alone", sentinel.port);
	assert_fails(trusting(url, "authority"), REDISLOCK_UNTRUSTED, "primary of alone");
	test_server_stop(&sentinel);
	test_server_stop(&server);
}

static void sentinels_that_want_tls_are_told_from_broken_ones(void **state)
{
	redislock_client *client;
	char url[160], text[512];

	(void)state;
	snprintf(url, sizeof(url), "redis+sentinel://%s/" TEST_SERVICE, all.hosts);
	client = test_client(url);
	assert_status(redislock_client_ping(client), REDISLOCK_CONNECTION_REFUSED);
	assert_status(redislock_client_error(client, text, sizeof(text)), REDISLOCK_OK);
	if (strstr(text, "does it want TLS") == NULL)
		fail_msg("\"%s\"", text);
	redislock_client_free(client);
}

static void lock_is_handed_over_on_every_node_of_a_cluster(void **state)
{
	redislock_client *client = trusting(cluster.url, "authority"), *other = trusting(cluster.url, "authority");

	(void)state;
	for (int node = 0; node < TEST_PRIMARIES; node++) {
		char name[32];
		test_cluster_name(&cluster, node, name, sizeof(name));
		assert_works(client, other, &cluster.nodes[node], name);
	}
	redislock_client_free(client);
	redislock_client_free(other);
}

/* MOVED and ASK name the ports of TLS. */
static void slot_that_moved_is_followed(void **state)
{
	redislock_client *client = trusting(cluster.url, "authority"), *other = trusting(cluster.url, "authority");
	char name[32];

	(void)state;
	test_cluster_name(&cluster, 0, name, sizeof(name));
	assert_works(client, other, &cluster.nodes[0], name);
	test_cluster_move_begin(&cluster, name, 0, 1);
	test_cluster_move_keys(&cluster, name, 0, 1);
	test_cluster_move_end(&cluster, name, 0, 1);
	assert_works(client, other, &cluster.nodes[1], name);
	redislock_client_free(client);
	redislock_client_free(other);
}

static void nodes_of_an_unknown_authority_are_not_trusted(void **state)
{
	(void)state;
	assert_fails(trusting(cluster.url, "stranger"), REDISLOCK_UNTRUSTED, "by nobody whom");
	assert_fails(test_client(cluster.url), REDISLOCK_UNTRUSTED, "by nobody whom");
}

static int start_sentinels(void **state)
{
	(void)state;
	test_sentinels_start(&all, TEST_SERVER_TLS);
	return 0;
}

static int stop_sentinels(void **state)
{
	(void)state;
	test_sentinels_stop(&all);
	return 0;
}

static int start_cluster(void **state)
{
	(void)state;
	test_cluster_start(&cluster, TEST_SERVER_TLS);
	return 0;
}

static int stop_cluster(void **state)
{
	(void)state;
	test_cluster_stop(&cluster);
	return 0;
}

/* Whether the server here has TLS. */
static bool server_has_tls(void)
{
	struct test_server server;
	char reply[64];

	test_server_start(&server, 0, NULL);
	test_command(&server, reply, sizeof(reply), "CONFIG", "GET", "tls-port", NULL);
	test_server_stop(&server);
	return reply[0] != '\0';
}

int main(void)
{
	const struct CMUnitTest through_sentinels[] = {
		cmocka_unit_test(lock_is_handed_over_through_sentinels),
		cmocka_unit_test(sentinels_of_an_unknown_authority_are_not_trusted),
		cmocka_unit_test(primary_of_an_unknown_authority_is_not_trusted),
		cmocka_unit_test(sentinels_that_want_tls_are_told_from_broken_ones),
	};
	const struct CMUnitTest in_a_cluster[] = {
		cmocka_unit_test(lock_is_handed_over_on_every_node_of_a_cluster),
		cmocka_unit_test(slot_that_moved_is_followed),
		cmocka_unit_test(nodes_of_an_unknown_authority_are_not_trusted),
	};
	char command[64];
	int failed;

	if (redislock_has("tls") == 0 || !server_has_tls()) {
		printf("SKIP: this %s has no TLS\n", redislock_has("tls") == 0 ? "build" : "server");
		return 77;
	}
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		test_certificate_make(folder, &files[i]);
	test_server_certificates(folder);
	failed = cmocka_run_group_tests(through_sentinels, start_sentinels, stop_sentinels);
	/* An older server has no such cluster, and is no part of what there is to test. */
	if (test_cluster_possible())
		failed += cmocka_run_group_tests(in_a_cluster, start_cluster, stop_cluster);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command) == 0 ? failed : 1; /* NOLINT(cert-env33-c): the test's own words */
}
