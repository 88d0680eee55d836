/* SPDX-License-Identifier: MIT */
#include "places.h"

#include "failing.h"
#include "cluster.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEEPERS = 4 }; /* of keys: the ordinary one, two more, and the cluster's */

struct test_server place_server;

static struct test_server second, third, node, replica, sentinel;
static struct test_server *const keepers[KEEPERS] = { &place_server, &second, &third, &node };
static char silent_url[64], sentinel_url[96], cluster_url[64];
static int silent_fd;
static bool has_cluster;

static void start_the_silent(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);

	silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(silent_fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(silent_fd, 1024), 0);
	assert_int_equal(getsockname(silent_fd, (struct sockaddr *)&address, &length), 0);
	snprintf(silent_url, sizeof(silent_url), "redis://127.0.0.1:%d", ntohs(address.sin_port));
}

void places_empty_the_silent(void)
{
	int fd;

	while ((fd = accept(silent_fd, NULL, NULL)) >= 0)
		close(fd);
}

static void start_replica(void)
{
	char port[16], info[8192];
	const char *const arguments[] = { "--replicaof", "127.0.0.1", port, NULL };

	snprintf(port, sizeof(port), "%d", place_server.port);
	assert_true(test_command(&place_server, NULL, 0, "CONFIG", "SET", "repl-diskless-sync-delay", "0", NULL));
	test_server_start(&replica, TEST_SERVER_TCP, arguments);
	test_eventually(test_command(&place_server, info, sizeof(info), "INFO", "replication", NULL) &&
	                strstr(info, "state=online") != NULL);
}

/* It has nothing to decide, however long the server is held up. */
static void start_sentinel(void)
{
	char monitor[96];
	const char *const lines[] = { monitor, "sentinel down-after-milliseconds guarded 600000", NULL };

	snprintf(monitor, sizeof(monitor), "sentinel monitor guarded 127.0.0.1 %d 1", place_server.port);
	test_server_start(&sentinel, TEST_SERVER_TCP | TEST_SERVER_SENTINEL, lines);
	snprintf(sentinel_url, sizeof(sentinel_url), "redis+sentinel://127.0.0.1:%d/guarded", sentinel.port);
}

static void start_cluster(void)
{
	char bus[16], info[2048];
	const char *const arguments[] = {
		"--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf", "--cluster-port", bus, NULL
	};

	snprintf(bus, sizeof(bus), "%d", test_free_port());
	test_server_start(&node, TEST_SERVER_TCP, arguments);
	assert_true(test_command(&node, NULL, 0, "CLUSTER", "ADDSLOTSRANGE", "0", "16383", NULL));
	test_eventually(test_command(&node, info, sizeof(info), "CLUSTER", "INFO", NULL) &&
	                strstr(info, "cluster_state:ok") != NULL);
	snprintf(cluster_url, sizeof(cluster_url), "redis+cluster://127.0.0.1:%d", node.port);
}

void places_start(void)
{
	test_server_start(&place_server, TEST_SERVER_TCP, NULL);
	snprintf(place_server.tcp_url, sizeof(place_server.tcp_url), "redis://localhost:%d", place_server.port);
	test_server_start(&second, 0, NULL);
	test_server_start(&third, 0, NULL);
	start_replica();
	start_sentinel();
	has_cluster = test_cluster_possible();
	if (has_cluster)
		start_cluster();
	start_the_silent();
}

void places_stop(void)
{
	close(silent_fd);
	test_server_stop(&sentinel);
	test_server_stop(&replica);
	for (int i = 0; i < KEEPERS; i++)
		test_server_stop(keepers[i]);
}

const char *place_url(enum place place)
{
	switch (place) {
	case PLACE_NAME:
		return place_server.tcp_url;
	case PLACE_SILENT:
		return silent_url;
	case PLACE_SENTINEL:
		return sentinel_url;
	case PLACE_CLUSTER:
		return cluster_url;
	case PLACE_SECOND:
		return second.url;
	case PLACE_THIRD:
		return third.url;
	default:
		return place_server.url;
	}
}

bool place_possible(enum place place)
{
	return place != PLACE_CLUSTER || has_cluster;
}

static char left[1024];

const char *places_left(void)
{
	for (int i = 0; i < KEEPERS; i++) {
		if (keepers[i]->pid == 0)
			continue;
		test_command(keepers[i], left, sizeof(left), "EVAL",
		             "for _, key in ipairs(redis.call('KEYS', '*')) do "
		             "local ttl = redis.call('PTTL', key) "
		             "if ttl < 0 or (string.sub(key, 1, 12) ~= 'rlock-state:' and ttl > tonumber(ARGV[1])) or "
		             "(key == 'foo' and ttl > tonumber(ARGV[2])) then return key .. ' ' .. ttl end end "
		             "redis.call('FLUSHALL') return ''",
		             "0", "60000", "4000", NULL);
		if (left[0] != '\0') {
			test_command(keepers[i], NULL, 0, "FLUSHALL", NULL);
			return left;
		}
	}
	return "";
}
