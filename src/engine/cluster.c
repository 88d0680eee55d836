/* SPDX-License-Identifier: MIT
 *
 * A cluster: which of its servers has a slot, and following a slot that moves (protocol 10). The first server of the
 * engine, its home, is a scout there: it asks some node for the slots, and no lock is ever asked for on it. What
 * belongs to a slot whose owner isn't known waits at home. */
#include "engine.h"

#include "redislock/redislock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How often the slots are asked for at the most, and while the owner of some that are needed is away; how long a scout
 * may take before it tries elsewhere; and what to wait for an answer before there is doubt that the server still has
 * the slot. */
enum { REFRESH_MS = 200, OUTAGE_MS = 500, SCOUT_MS = 1000, SCOUT_DOUBLINGS = 3, DOUBT_MS = 1000, ASK_MS = 10000 };

static struct rlk_host node_at(const struct rlk_engine *engine, size_t number)
{
	const struct rlk_cluster *cluster = engine->cluster;
	size_t seeds = engine->address.host_count;
	number %= cluster->node_count + seeds;
	return number < cluster->node_count ? cluster->nodes[number]
	                                    : engine->address.hosts[number - cluster->node_count];
}

int32_t rlk_cluster_init(struct rlk_engine *engine)
{
	uint32_t random = 0;
	engine->cluster = calloc(1, sizeof *engine->cluster);
	if (engine->cluster == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	rlk_random_bytes(&engine->random, &random, sizeof random);
	engine->cluster->turn = random % engine->address.host_count;
	engine->cluster->not_before = INT64_MIN;
	engine->home.node = node_at(engine, engine->cluster->turn);
	return REDISLOCK_OK;
}

static void forget_nodes(struct rlk_cluster *cluster)
{
	for (size_t i = 0; i < cluster->node_count; i++) {
		free(cluster->nodes[i].name);
	}
	free(cluster->nodes);
	cluster->nodes = NULL;
	cluster->node_count = 0;
}

static void server_free(struct rlk_server *server)
{
	rlk_server_clear(server);
	free(server->node.name);
	free(server);
}

void rlk_cluster_clear(struct rlk_engine *engine)
{
	while (engine->home.next != NULL) {
		struct rlk_server *server = engine->home.next;
		engine->home.next = server->next;
		server_free(server);
	}
	if (engine->cluster != NULL) {
		forget_nodes(engine->cluster);
		free(engine->cluster);
		engine->cluster = NULL;
	}
}

/* ---- servers ---- */

static bool is_at(const struct rlk_server *server, struct rlk_slice host, uint16_t port)
{
	return server->node.port == port && strlen(server->node.name) == host.length &&
	       memcmp(server->node.name, host.data, host.length) == 0;
}

static char *copy_text(struct rlk_slice text)
{
	char *copy = malloc(text.length + 1);
	if (copy != NULL) {
		memcpy(copy, text.data, text.length);
		copy[text.length] = '\0';
	}
	return copy;
}

/* The one that is there, or a new one; NULL if out of memory. */
static struct rlk_server *server_at(struct rlk_engine *engine, struct rlk_slice host, uint16_t port)
{
	struct rlk_server **at = &engine->home.next;
	while (*at != NULL) {
		if (is_at(*at, host, port)) {
			return *at;
		}
		at = &(*at)->next;
	}
	struct rlk_server *server = calloc(1, sizeof *server);
	if (server == NULL) {
		return NULL;
	}
	server->node = (struct rlk_host) { copy_text(host), port };
	if (server->node.name == NULL || !rlk_server_init(engine, server) || !rlk_engine_make_room(engine)) {
		server_free(server);
		return NULL;
	}
	*at = server;
	return server;
}

/* Somebody waits for it to be asked, or for its messages. */
static bool is_wanted(const struct rlk_server *server)
{
	return rlk_jobs_ready(server) || server->confirming.first != NULL || server->listeners > 0 ||
	       server->calls_wanted > 0;
}

static bool is_busy(const struct rlk_server *server)
{
	return is_wanted(server) || server->commands.count > 0 || server->replicas.count > 0;
}

/* Whoever has no slot any more, and nothing under way or to be asked by ASK, is not needed. */
static void drop_servers(struct rlk_engine *engine)
{
	struct rlk_cluster *cluster = engine->cluster;
	for (struct rlk_server *server = engine->home.next; server != NULL; server = server->next) {
		server->needed = is_busy(server);
	}
	for (size_t slot = 0; slot < RLK_SLOTS; slot++) {
		if (cluster->owners[slot] != NULL) {
			cluster->owners[slot]->needed = true;
		}
	}
	struct rlk_node *node = NULL;
	while ((node = rlk_table_next(&engine->places, node)) != NULL) {
		for (struct rlk_job *job = rlk_place_of(node)->jobs; job != NULL; job = job->next_in_place) {
			if (job->detour != NULL) {
				job->detour->needed = true;
			}
		}
	}
	for (struct rlk_server **at = &engine->home.next; *at != NULL;) {
		struct rlk_server *server = *at;
		if (server->needed) {
			at = &server->next;
		} else {
			*at = server->next;
			server_free(server);
		}
	}
}

struct rlk_server *rlk_engine_route(struct rlk_engine *engine, int32_t slot)
{
	struct rlk_cluster *cluster = engine->cluster;
	return cluster != NULL && slot >= 0 && cluster->owners[slot] != NULL ? cluster->owners[slot] : &engine->home;
}

/* What belongs to a slot, or (-1) to any, goes to whoever has it now. */
static void move(struct rlk_engine *engine, int32_t slot, int64_t now)
{
	struct rlk_node *node = NULL;
	while ((node = rlk_table_next(&engine->places, node)) != NULL) {
		struct rlk_place *place = rlk_place_of(node);
		struct rlk_server *server = rlk_engine_route(engine, place->slot);
		if ((slot < 0 || place->slot == slot) && place->server != server) {
			rlk_place_move(place, server, now);
		}
	}
	for (struct rlk_call *call = engine->calls; call != NULL; call = call->next) {
		if (call->slot >= 0 && (slot < 0 || call->slot == slot) && !call->asking) {
			rlk_call_move(call, rlk_engine_route(engine, call->slot));
		}
	}
}

/* ---- asking for the slots ---- */

static bool to_port(const struct rlk_value *value, uint16_t *port)
{
	*port = (uint16_t)value->integer;
	return value->type == RLK_INTEGER && value->integer > 0 && value->integer <= UINT16_MAX;
}

/* Past a node of a reply and all that is in it. */
static size_t behind(const struct rlk_value *reply, size_t count, size_t at)
{
	for (size_t left = 1; left > 0 && at < count; left--, at++) {
		left += reply[at].type == RLK_ARRAY ? (size_t)reply[at].integer : 0;
	}
	return at;
}

/* A node that doesn't know how it is called is the one that was asked. */
static struct rlk_slice host_of(const struct rlk_server *asked, struct rlk_slice said)
{
	bool unknown = said.length == 0 || (said.length == 1 && said.data[0] == '?');
	return unknown ? (struct rlk_slice) { asked->node.name, strlen(asked->node.name) } : said;
}

/* Who is away already, with what belongs to his slots, is no one to ask. */
static bool is_doubted(const struct rlk_engine *engine, struct rlk_host node)
{
	const struct rlk_server *server = engine->home.next;
	while (server != NULL && !is_at(server, (struct rlk_slice) { node.name, strlen(node.name) }, node.port)) {
		server = server->next;
	}
	return server != NULL && server->doubted;
}

/* Sends the scout to whose turn it is, or if there is doubt about that one to somebody behind. */
static void send_scout(struct rlk_engine *engine)
{
	struct rlk_cluster *cluster = engine->cluster;
	size_t nodes = cluster->node_count + engine->address.host_count;
	for (size_t i = 0; is_doubted(engine, node_at(engine, cluster->turn)) && i < nodes; i++) {
		cluster->turn++;
	}
	engine->home.node = node_at(engine, cluster->turn);
}

/* Another node to ask next time: primaries and replicas alike. */
static void note_node(struct rlk_cluster *cluster, struct rlk_slice host, uint16_t port)
{
	for (size_t i = 0; i < cluster->node_count; i++) {
		if (cluster->nodes[i].port == port && strlen(cluster->nodes[i].name) == host.length &&
		    memcmp(cluster->nodes[i].name, host.data, host.length) == 0) {
			return;
		}
	}
	struct rlk_host *nodes = realloc(cluster->nodes, (cluster->node_count + 1) * sizeof *nodes);
	if (nodes == NULL) {
		return;
	}
	cluster->nodes = nodes;
	nodes[cluster->node_count] = (struct rlk_host) { copy_text(host), port };
	cluster->node_count += nodes[cluster->node_count].name != NULL;
}

/* Reads one range: from, to, its primary and its replicas, each a host, a port and more. Answers where it ends, or 0.
 */
static size_t take_range(struct rlk_engine *engine, const struct rlk_value *reply, size_t count, size_t at)
{
	size_t end = behind(reply, count, at);
	if (end - at < 6 || reply[at].type != RLK_ARRAY || reply[at + 1].type != RLK_INTEGER ||
	    reply[at + 2].type != RLK_INTEGER || reply[at + 1].integer < 0 || reply[at + 2].integer >= RLK_SLOTS) {
		return 0;
	}
	struct rlk_server *owner = NULL;
	for (size_t node = at + 3; node < end; node = behind(reply, count, node)) {
		uint16_t port;
		bool named = node + 2 < end && reply[node].type == RLK_ARRAY &&
		             (reply[node + 1].type == RLK_STRING || reply[node + 1].type == RLK_NIL);
		if (!named || reply[node + 1].text.length > RLK_HOST_MAX || !to_port(&reply[node + 2], &port)) {
			return 0;
		}
		struct rlk_slice said = reply[node + 1].type == RLK_NIL ? RLK_LITERAL("") : reply[node + 1].text;
		struct rlk_slice host = host_of(&engine->home, said);
		note_node(engine->cluster, host, port);
		if (node == at + 3) {
			owner = server_at(engine, host, port);
		}
	}
	for (int64_t slot = reply[at + 1].integer; slot <= reply[at + 2].integer; slot++) {
		engine->cluster->owners[slot] = owner;
	}
	return end;
}

static struct rlk_engine *engine_of(const struct rlk_call *call)
{
	return call->server->engine;
}

/* Twice: whether the server publishes by slots, which Redis does since 7.0; and the slots themselves. */
static int32_t take_slots(struct rlk_call *call, const struct rlk_value *reply, size_t count)
{
	struct rlk_engine *engine = engine_of(call);
	struct rlk_cluster *cluster = engine->cluster;
	if (reply[0].type != RLK_ARRAY) {
		snprintf(call->text, sizeof call->text, "the server's answer about the cluster's slots is none");
		return REDISLOCK_PROTOCOL;
	}
	if (!cluster->publishes) {
		cluster->publishes = true;
		call->words.word[0] = RLK_LITERAL("CLUSTER");
		call->words.word[1] = RLK_LITERAL("SLOTS");
		return RLK_ASK_AGAIN;
	}
	/* The name may be one of those that are about to be forgotten. */
	struct rlk_host here = { strdup(engine->home.node.name), engine->home.node.port };
	if (here.name == NULL) {
		return REDISLOCK_NO_MEMORY;
	}
	forget_nodes(cluster);
	engine->home.node = here;
	memset(cluster->owners, 0, sizeof cluster->owners);
	for (size_t at = 1; at < count && at > 0;) {
		at = take_range(engine, reply, count, at);
	}
	cluster->known = true;
	cluster->tried = 0;
	rlk_random_bytes(&engine->random, &cluster->turn, sizeof cluster->turn);
	engine->home.node = node_at(engine, cluster->turn);
	free(here.name);
	return REDISLOCK_OK;
}

static void ask(struct rlk_engine *engine, int64_t now)
{
	struct rlk_cluster *cluster = engine->cluster;
	struct rlk_call *call = calloc(1, sizeof *call);
	cluster->not_before = now + REFRESH_MS;
	if (call == NULL) {
		return;
	}
	call->script = call->slot = -1;
	call->orphan = true;
	call->take = take_slots;
	if (!engine->home.commands.open) {
		send_scout(engine);
	}
	rlk_words_add(&call->words, cluster->publishes ? RLK_LITERAL("CLUSTER") : RLK_LITERAL("PUBSUB"));
	rlk_words_add(&call->words, cluster->publishes ? RLK_LITERAL("SLOTS") : RLK_LITERAL("SHARDNUMSUB"));
	if (!rlk_call_start(engine, call, now + ASK_MS)) {
		free(call);
		return;
	}
	engine->background++;
	cluster->refresh = call;
	cluster->doubted = false;
}

/* Somebody is waited for who is away: as soon as another has his slots it is to be noticed, not at his next try. */
static bool outage(const struct rlk_engine *engine)
{
	const struct rlk_server *server = engine->home.next;
	while (server != NULL && !(server->doubted && is_busy(server))) {
		server = server->next;
	}
	return server != NULL;
}

void rlk_cluster_asked(struct rlk_engine *engine, const struct rlk_call *call, int64_t now)
{
	struct rlk_cluster *cluster = engine->cluster;
	int32_t status = call->status;
	if (cluster == NULL || cluster->refresh != call) {
		return;
	}
	cluster->refresh = NULL;
	if (status == REDISLOCK_OK) {
		move(engine, -1, now);
		drop_servers(engine);
		if (outage(engine)) {
			cluster->doubted = true;
			cluster->not_before = now + OUTAGE_MS;
		}
		return;
	}
	cluster->doubted = true;
	if (status == REDISLOCK_TIMEOUT || status == REDISLOCK_CONNECTION_LOST ||
	    status == REDISLOCK_CONNECTION_REFUSED) {
		return;
	}
	char text[RLK_TEXT];
	snprintf(text, sizeof text, "%s", call->text);
	if (status == REDISLOCK_SERVER && !cluster->publishes) {
		status = REDISLOCK_UNSUPPORTED;
		snprintf(text, sizeof text, "a cluster needs Redis 7.0 or later: its servers must publish by slots");
	} else if (status == REDISLOCK_SERVER && strstr(call->text, "support disabled") != NULL) {
		status = REDISLOCK_UNSUPPORTED;
		snprintf(text, sizeof text, "the server is no part of a cluster: its URL begins with redis://");
	}
	rlk_commands_refuse(&engine->home, status, text, now);
	rlk_messages_refuse(&engine->home, status, text, now);
}

/* ---- when to ask ---- */

void rlk_cluster_doubt(struct rlk_engine *engine)
{
	if (engine->cluster != NULL) {
		engine->cluster->doubted = true;
	}
}

void rlk_cluster_expire(struct rlk_server *server, int64_t now)
{
	if (now >= rlk_cluster_doubt_at(server)) {
		server->doubted = true;
		server->doubted_at = now;
		server->engine->cluster->doubted = true;
	}
}

static bool somebody_asks(const struct rlk_engine *engine)
{
	const struct rlk_server *server = engine->background > 0 ? NULL : &engine->home;
	while (server != NULL && !is_busy(server)) {
		server = server->next;
	}
	return engine->background > 0 || server != NULL;
}

/* At home they wait for an owner. Doubts are for those who have something to ask, now or later. */
static bool wants_to_ask(const struct rlk_engine *engine)
{
	const struct rlk_cluster *cluster = engine->cluster;
	return cluster->refresh == NULL && (is_wanted(&engine->home) || (cluster->doubted && somebody_asks(engine)));
}

void rlk_cluster_tend(struct rlk_engine *engine, int64_t now)
{
	struct rlk_line *line = &engine->home.commands;
	if (engine->cluster == NULL) {
		return;
	}
	if (wants_to_ask(engine) && now >= engine->cluster->not_before) {
		ask(engine, now);
	}
	if (line->up && line->count == 0 && engine->home.calls_wanted == 0) {
		rlk_line_close(line);
	}
}

int64_t rlk_cluster_deadline(const struct rlk_engine *engine)
{
	return engine->cluster != NULL && wants_to_ask(engine) ? engine->cluster->not_before : RLK_NEVER;
}

int64_t rlk_cluster_doubt_at(const struct rlk_server *server)
{
	const struct rlk_line *line = &server->commands;
	int64_t since = server->doubted_at;
	if (server->engine->cluster == NULL || rlk_server_is_scout(server) || !line->open ||
	    (line->up && line->count == 0)) {
		return RLK_NEVER;
	}
	if (line->up && line->flights[line->first].sent_at > since) {
		since = line->flights[line->first].sent_at;
	}
	return since + DOUBT_MS;
}

/* ---- where the scout goes ---- */

bool rlk_server_is_scout(const struct rlk_server *server)
{
	return server->engine->cluster != NULL && server == &server->engine->home;
}

int64_t rlk_server_patience(const struct rlk_server *server, int64_t patience)
{
	if (!rlk_server_is_scout(server)) {
		return patience;
	}
	const struct rlk_engine *engine = server->engine;
	size_t rounds = engine->cluster->tried / (engine->cluster->node_count + engine->address.host_count);
	int64_t own = (int64_t)SCOUT_MS << (rounds < SCOUT_DOUBLINGS ? rounds : SCOUT_DOUBLINGS);
	return own < patience ? own : patience;
}

void rlk_cluster_failed(struct rlk_server *server, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	struct rlk_cluster *cluster = engine->cluster;
	if (cluster == NULL) {
		return;
	}
	cluster->doubted = true;
	if (rlk_server_is_scout(server)) {
		size_t nodes = cluster->node_count + engine->address.host_count;
		cluster->tried++;
		cluster->turn++;
		send_scout(engine);
		server->commands.failures = (int32_t)(cluster->tried / nodes);
		if (cluster->tried % nodes != 0) {
			server->commands.retry_at = now;
		}
	} else {
		server->doubted = true;
	}
}

bool rlk_server_is_hopeless(const struct rlk_server *server)
{
	const struct rlk_cluster *cluster = server->engine->cluster;
	if (cluster == NULL) {
		return !server->reached;
	}
	return rlk_server_is_scout(server) && !cluster->known &&
	       cluster->tried >= cluster->node_count + server->engine->address.host_count;
}

/* ---- what a server says of a slot ---- */

static bool next_number(struct rlk_slice text, size_t *at, int64_t max, int64_t *number)
{
	size_t start = *at;
	*number = 0;
	while (*at < text.length && text.data[*at] >= '0' && text.data[*at] <= '9' && *number <= max) {
		*number = *number * 10 + (text.data[(*at)++] - '0');
	}
	return *at > start && *number <= max;
}

struct rlk_slice rlk_cluster_redirection(const struct rlk_engine *engine)
{
	return engine->cluster == NULL
	               ? RLK_LITERAL("the server is one of a cluster: its URL begins with redis+cluster://")
	               : RLK_LITERAL(
	                         "the nodes don't agree yet whose slot it is, as while one takes over from another: "
	                         "try again");
}

/* MOVED SLOT HOST:PORT or ASK ... */
struct rlk_server *rlk_cluster_redirected(struct rlk_server *server, struct rlk_slice error, bool *asks, int64_t now)
{
	struct rlk_engine *engine = server->engine;
	int64_t slot, port;
	*asks = error.data[0] == 'A';
	size_t at = *asks ? sizeof "ASK" : sizeof "MOVED";
	if (!next_number(error, &at, RLK_SLOTS - 1, &slot) || at >= error.length || error.data[at] != ' ') {
		return NULL;
	}
	size_t host = ++at, colon = error.length;
	while (colon > host && error.data[colon - 1] != ':') {
		colon--;
	}
	at = colon;
	if (colon == host || colon - 1 - host > RLK_HOST_MAX || !next_number(error, &at, UINT16_MAX, &port) ||
	    port == 0) {
		return NULL;
	}
	struct rlk_slice said = { error.data + host, colon - 1 - host };
	struct rlk_server *other = server_at(engine, host_of(server, said), (uint16_t)port);
	if (other != NULL && !*asks) {
		engine->cluster->owners[slot] = other;
		engine->cluster->doubted = true;
		move(engine, (int32_t)slot, now);
	}
	return other;
}

bool rlk_cluster_next_slot(const struct rlk_engine *engine, const uint8_t *seen, int32_t *slot)
{
	for (*slot = 0; *slot < RLK_SLOTS; (*slot)++) {
		if ((seen[*slot / 8] & 1u << *slot % 8) == 0 && engine->cluster->owners[*slot] != NULL) {
			return true;
		}
	}
	return false;
}

void rlk_cluster_see(const struct rlk_engine *engine, int32_t slot, uint8_t *seen)
{
	const struct rlk_server *owner = engine->cluster->owners[slot];
	for (int32_t other = 0; other < RLK_SLOTS; other++) {
		if (engine->cluster->owners[other] == owner) {
			seen[other / 8] |= (uint8_t)(1u << other % 8);
		}
	}
}
