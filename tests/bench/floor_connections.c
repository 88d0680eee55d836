/* SPDX-License-Identifier: MIT
 *
 * What it costs to have the messages on a connection of their own, or together with the commands: this is built both
 * ways. Usage: floor_connections URL NAME pair|listen|stay, each so often as a line of stdin says.
 * pair: LOCK and UNLOCK by a client that listens. listen: a client connects, listens and leaves. stay: clients are
 * opened that stay. */
#include "floor_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scene {
	const char *url, *name;
	struct floor_client client;
	uint64_t number;
};

static void pair(void *state)
{
	struct scene *self = state;
	char token[FLOOR_TOKEN_SIZE];

	snprintf(token, sizeof token, "%.16s%016llx", self->client.id, (unsigned long long)++self->number);
	floor_append_lock(&self->client, token);
	floor_flush(&self->client);
	floor_answer(&self->client);
	floor_append_unlock(&self->client, token);
	floor_flush(&self->client);
	floor_answer(&self->client);
}

static void listen_once(void *state)
{
	const struct scene *self = state;
	struct floor_client client;

	floor_listen(&client, self->url, self->name);
	floor_close(&client);
}

static void stay(void *state)
{
	const struct scene *self = state;
	struct floor_client client;

	floor_listen(&client, self->url, self->name);
}

int main(int argc, char **argv)
{
	struct scene self = { .number = 0 };

	if (argc != 4)
		bench_die("usage: floor_connections URL NAME pair|listen|stay");
	self.url = argv[1];
	self.name = argv[2];
	if (strcmp(argv[3], "pair") == 0) {
		floor_open(&self.client, self.url, self.name);
		bench_pair_rounds(pair, &self);
	} else if (strcmp(argv[3], "listen") == 0) {
		bench_pair_rounds(listen_once, &self);
	} else if (strcmp(argv[3], "stay") == 0) {
		bench_pair_rounds(stay, &self);
	} else {
		bench_die("no such thing: %s", argv[3]);
	}
	return 0;
}
