/* SPDX-License-Identifier: MIT */
#include "cluster.h"

#include <stdio.h>
#include <string.h>

#define NUMBER(text, number)                                                                                           \
	char text[16];                                                                                                 \
	snprintf(text, sizeof(text), "%d", number)

bool test_cluster_possible(void)
{
	struct test_server server;
	bool possible;

	test_server_start(&server, 0, NULL);
	possible = test_command(&server, NULL, 0, "PUBSUB", "SHARDNUMSUB", NULL);
	test_server_stop(&server);
	return possible;
}

static void start_node(struct test_server *node, unsigned flags)
{
	/* By itself the port of the bus is 10,000 above the other, which may be too much. */
	NUMBER(bus, test_free_port());
	const char *const arguments[] = { "--cluster-enabled",
		                          "yes",
		                          "--cluster-node-timeout",
		                          "1500",
		                          "--cluster-config-file",
		                          "nodes.conf",
		                          "--repl-diskless-sync-delay",
		                          "0",
		                          "--cluster-port",
		                          bus,
		                          NULL };

	test_server_start(node, TEST_SERVER_TCP | flags, arguments);
}

/* Whether the answer to a command has that in it. */
static bool says(struct test_server *server, const char *verb, const char *what, const char *text)
{
	char reply[8192];

	return server->pid == 0 ||
	       (test_command(server, reply, sizeof(reply), verb, what, NULL) && strstr(reply, text) != NULL);
}

bool test_cluster_ok(struct test_cluster *cluster)
{
	for (int i = 0; i < TEST_NODES; i++) {
		if (!says(&cluster->nodes[i], "CLUSTER", "INFO", "cluster_state:ok"))
			return false;
	}
	return true;
}

/* Whether a node knows of all. */
static bool knows_all(struct test_server *node)
{
	char nodes[8192], *at = nodes;
	int lines = 0;

	test_command(node, nodes, sizeof(nodes), "CLUSTER", "NODES", NULL);
	while ((at = strchr(at, '\n')) != NULL) {
		lines++;
		at++;
	}
	return lines >= TEST_NODES && strstr(nodes, "handshake") == NULL;
}

void test_cluster_start(struct test_cluster *cluster, unsigned flags)
{
	memset(cluster, 0, sizeof(*cluster));
	for (int i = 0; i < TEST_NODES; i++) {
		start_node(&cluster->nodes[i], flags);
		assert_true(test_command(&cluster->nodes[i], cluster->ids[i], sizeof(cluster->ids[i]), "CLUSTER",
		                         "MYID", NULL));
	}
	for (int i = 0; i < TEST_NODES; i++) {
		NUMBER(epoch, i + 1);
		NUMBER(port, cluster->nodes[0].port);
		assert_true(test_command(&cluster->nodes[i], NULL, 0, "CLUSTER", "SET-CONFIG-EPOCH", epoch, NULL));
		if (i < TEST_PRIMARIES) {
			NUMBER(first, 16384 * i / TEST_PRIMARIES);
			NUMBER(last, 16384 * (i + 1) / TEST_PRIMARIES - 1);
			assert_true(test_command(&cluster->nodes[i], NULL, 0, "CLUSTER", "ADDSLOTSRANGE", first, last,
			                         NULL));
		}
		if (i > 0)
			assert_true(test_command(&cluster->nodes[i], NULL, 0, "CLUSTER", "MEET", "127.0.0.1", port,
			                         cluster->nodes[0].arguments[9], NULL));
	}
	for (int i = 0; i < TEST_NODES; i++)
		test_eventually(knows_all(&cluster->nodes[i]));
	for (int i = TEST_PRIMARIES; i < TEST_NODES; i++)
		test_eventually(test_command(&cluster->nodes[i], NULL, 0, "CLUSTER", "REPLICATE",
		                             cluster->ids[i - TEST_PRIMARIES], NULL));
	for (int i = TEST_PRIMARIES; i < TEST_NODES; i++)
		test_eventually(says(&cluster->nodes[i], "INFO", "replication", "master_link_status:up"));
	test_eventually(test_cluster_ok(cluster));
	snprintf(cluster->url, sizeof(cluster->url), "%s+cluster://127.0.0.1:%d,127.0.0.1:%d",
	         (flags & TEST_SERVER_TLS) != 0 ? "rediss" : "redis", cluster->nodes[0].port, cluster->nodes[1].port);
}

void test_cluster_stop(struct test_cluster *cluster)
{
	for (int i = 0; i < TEST_NODES; i++)
		test_server_stop(&cluster->nodes[i]);
}

static struct test_server *living(struct test_cluster *cluster)
{
	for (int i = 0; i < TEST_NODES; i++) {
		if (cluster->nodes[i].pid != 0)
			return &cluster->nodes[i];
	}
	return NULL;
}

int test_cluster_slot(struct test_cluster *cluster, const char *name)
{
	return (int)test_number(living(cluster), "CLUSTER", "KEYSLOT", name, NULL);
}

static bool owns(struct test_cluster *cluster, int node, const char *name)
{
	char reply[512];

	/* Only the owner executes it; others redirect. */
	return cluster->nodes[node].pid != 0 &&
	       test_command(&cluster->nodes[node], reply, sizeof(reply), "GET", name, NULL);
}

int test_cluster_owner(struct test_cluster *cluster, const char *name)
{
	for (int i = 0; i < TEST_NODES; i++) {
		if (owns(cluster, i, name))
			return i;
	}
	return -1;
}

void test_cluster_name(struct test_cluster *cluster, int node, char *name, size_t size)
{
	static int number;

	do
		snprintf(name, size, "name-%d", number++);
	while (test_cluster_owner(cluster, name) != node);
}

static bool set_slot(struct test_cluster *cluster, int node, int slot, const char *state, int other)
{
	NUMBER(number, slot);
	return test_command(&cluster->nodes[node], NULL, 0, "CLUSTER", "SETSLOT", number, state, cluster->ids[other],
	                    NULL);
}

void test_cluster_move_begin(struct test_cluster *cluster, const char *name, int from, int to)
{
	const int slot = test_cluster_slot(cluster, name);

	assert_true(set_slot(cluster, to, slot, "IMPORTING", from));
	assert_true(set_slot(cluster, from, slot, "MIGRATING", to));
}

void test_cluster_move_keys(struct test_cluster *cluster, const char *name, int from, int to)
{
	NUMBER(slot, test_cluster_slot(cluster, name));
	NUMBER(port, cluster->nodes[to].port);
	char key[1024];

	for (;;) {
		assert_true(test_command(&cluster->nodes[from], key, sizeof(key), "CLUSTER", "GETKEYSINSLOT", slot, "1",
		                         NULL));
		key[strcspn(key, "\n")] = '\0';
		if (key[0] == '\0')
			return;
		assert_true(test_command(&cluster->nodes[from], NULL, 0, "MIGRATE", "127.0.0.1", port, key, "0", "5000",
		                         NULL));
	}
}

void test_cluster_move_end(struct test_cluster *cluster, const char *name, int from, int to)
{
	const int slot = test_cluster_slot(cluster, name);

	assert_true(set_slot(cluster, to, slot, "NODE", to));
	assert_true(set_slot(cluster, from, slot, "NODE", to));
}
