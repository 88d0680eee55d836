/* SPDX-License-Identifier: MIT */
#include "sentinels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void start_sentinel(struct test_sentinels *all, size_t number, unsigned flags)
{
	char monitor[96];
	const char *lines[] = { monitor, "sentinel down-after-milliseconds " TEST_SERVICE " 1000",
		                "sentinel failover-timeout " TEST_SERVICE " 3000",
		                "sentinel parallel-syncs " TEST_SERVICE " 2", NULL };

	snprintf(monitor, sizeof(monitor), "sentinel monitor " TEST_SERVICE " 127.0.0.1 %d 2", all->servers[0].port);
	test_server_start(&all->sentinels[number], TEST_SERVER_TCP | TEST_SERVER_SENTINEL | flags, lines);
}

bool test_is_primary(struct test_server *server)
{
	char role[256];

	return test_command(server, role, sizeof(role), "ROLE", NULL) && strncmp(role, "master\n", 7) == 0;
}

struct test_server *test_primary(struct test_sentinels *all, size_t sentinel)
{
	char place[128], expected[64];

	test_command(&all->sentinels[sentinel], place, sizeof(place), "SENTINEL", "GET-MASTER-ADDR-BY-NAME",
	             TEST_SERVICE, NULL);
	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		snprintf(expected, sizeof(expected), "127.0.0.1\n%d", all->servers[i].port);
		if (strcmp(place, expected) == 0)
			return &all->servers[i];
	}
	fail_msg("the sentinel says: %s", place);
	return NULL;
}

static bool is_linked(struct test_server *server, const struct test_server *primary)
{
	char info[8192], port[48];

	snprintf(port, sizeof(port), "\nmaster_port:%d\r\n", primary->port);
	return test_command(server, info, sizeof(info), "INFO", "replication", NULL) &&
	       strstr(info, "\nmaster_link_status:up\r\n") != NULL && strstr(info, port) != NULL;
}

static bool is_content(struct test_server *sentinel)
{
	char master[4096], replicas[8192];

	return test_command(sentinel, master, sizeof(master), "SENTINEL", "MASTER", TEST_SERVICE, NULL) &&
	       strstr(master, "\nflags\nmaster\n") != NULL && strstr(master, "\nnum-slaves\n2\n") != NULL &&
	       strstr(master, "\nnum-other-sentinels\n2\n") != NULL &&
	       test_command(sentinel, replicas, sizeof(replicas), "SENTINEL", "REPLICAS", TEST_SERVICE, NULL) &&
	       strstr(replicas, "_down") == NULL && strstr(replicas, "disconnected") == NULL;
}

static bool is_settled(struct test_sentinels *all)
{
	struct test_server *primary = test_primary(all, 0);

	if (!test_is_primary(primary))
		return false;
	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		if (test_primary(all, i) != primary || !is_content(&all->sentinels[i]) ||
		    (&all->servers[i] != primary && !is_linked(&all->servers[i], primary)))
			return false;
	}
	return true;
}

/* The sentinels would do that as well, after half a minute. */
static void follow_primary(struct test_sentinels *all)
{
	struct test_server *primary = test_primary(all, 0);
	char port[16];

	snprintf(port, sizeof(port), "%d", primary->port);
	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		if (test_primary(all, i) != primary || !test_is_primary(primary))
			return;
	}
	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		if (&all->servers[i] != primary && test_is_primary(&all->servers[i]))
			test_command(&all->servers[i], NULL, 0, "REPLICAOF", "127.0.0.1", port, NULL);
	}
}

static void bring_back(struct test_server *server)
{
	if (server->pid == 0)
		test_server_restart(server);
	else
		test_server_resume(server);
}

/* A sentinel asks the servers who they are every ten seconds, and gives a primary that is replaced eight before it puts
 * it in its place. From Redis 7.0 on that goes faster, if told so. */
static void hurry(struct test_server *sentinel)
{
	test_command(sentinel, NULL, 0, "SENTINEL", "DEBUG", "info-period", "500", NULL);
	test_command(sentinel, NULL, 0, "SENTINEL", "DEBUG", "publish-period", "500", NULL);
}

void test_sentinels_settle(struct test_sentinels *all)
{
	const int64_t until = test_now_ms() + 3 * TEST_DEADLINE_MS;

	for (size_t i = 0; i < TEST_SENTINELS; i++) {
		bring_back(&all->servers[i]);
		bring_back(&all->sentinels[i]);
		hurry(&all->sentinels[i]);
	}
	while (!is_settled(all)) {
		if (test_now_ms() > until)
			fail_msg("the sentinels and their servers don't come to rest");
		follow_primary(all);
		test_sleep_ms(20);
	}
}

void test_sentinels_start(struct test_sentinels *all, unsigned flags)
{
	char port[16];
	const char *of_primary[] = { "--repl-diskless-sync-delay", "0", NULL };
	const char *of_replica[] = { "--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1", port, NULL };

	memset(all, 0, sizeof(*all));
	test_server_start(&all->servers[0], TEST_SERVER_TCP | flags, of_primary);
	snprintf(port, sizeof(port), "%d", all->servers[0].port);
	for (size_t i = 1; i < TEST_SENTINELS; i++) {
		test_server_start(&all->servers[i], TEST_SERVER_TCP | flags, of_replica);
		test_eventually(is_linked(&all->servers[i], &all->servers[0]));
	}
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		start_sentinel(all, i, flags);
	snprintf(all->hosts, sizeof(all->hosts), "127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d", all->sentinels[0].port,
	         all->sentinels[1].port, all->sentinels[2].port);
	snprintf(all->url, sizeof(all->url), "%s+sentinel://%s/" TEST_SERVICE,
	         (flags & TEST_SERVER_TLS) != 0 ? "rediss" : "redis", all->hosts);
	test_sentinels_settle(all);
}

void test_sentinels_stop(struct test_sentinels *all)
{
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		test_server_stop(&all->sentinels[i]);
	for (size_t i = 0; i < TEST_SENTINELS; i++)
		test_server_stop(&all->servers[i]);
}
