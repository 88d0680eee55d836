/* SPDX-License-Identifier: MIT
 *
 * A real cluster of the test's own: three primaries, each with a replica, as started by server.h. */
#ifndef TEST_CLUSTER_H
#define TEST_CLUSTER_H

#include "server.h"

enum { TEST_PRIMARIES = 3, TEST_NODES = 6 };

struct test_cluster {
	struct test_server nodes[TEST_NODES]; /* node i + TEST_PRIMARIES is a replica of node i at first */
	char ids[TEST_NODES][41];
	char url[128]; /* redis+cluster://, or with TLS rediss+cluster://, with the first two nodes */
};

/* Whether the server here is one that clients can use so: it publishes by slots. */
bool test_cluster_possible(void);

/* Starts it, with TEST_SERVER_TLS or 0, and waits until all agree on it and the replicas have synced. */
void test_cluster_start(struct test_cluster *cluster, unsigned flags);
void test_cluster_stop(struct test_cluster *cluster);

/* The slot of a name, the node that has it, as any living node says, and a name of the node's own. */
int test_cluster_slot(struct test_cluster *cluster, const char *name);
int test_cluster_owner(struct test_cluster *cluster, const char *name);
void test_cluster_name(struct test_cluster *cluster, int node, char *name, size_t size);

/* Moves a name's slot from its owner to another primary, in steps that the test may stop between: begun, the keys are
 * still here; sent, they are there; and the end. */
void test_cluster_move_begin(struct test_cluster *cluster, const char *name, int from, int to);
void test_cluster_move_keys(struct test_cluster *cluster, const char *name, int from, int to);
void test_cluster_move_end(struct test_cluster *cluster, const char *name, int from, int to);

/* Whether all living nodes call the cluster sound. */
bool test_cluster_ok(struct test_cluster *cluster);

#endif
