/* SPDX-License-Identifier: MIT
 *
 * The network between the clients and the server, what goes wrong on it. */
#include "world.h"

#include "redislock/redislock.h"
#include "test.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* COMMAND_MS: how long a client waits for a reply before it gives the connection up. */
enum { START = 1000000, COMMAND_MS = 2000, LONGEST_RUN = 900000, STEPS = 20000 };

enum { REQUESTS, RENEWALS, REPLIES, GRANTS };

/* In the order of enum fault_kind. */
const char *const fault_names[FAULT_KINDS] = {
	"no fault",       "request lost", "request late",    "request stray",  "renewal stray",
	"reply lost",     "reply late",   "reply repeated",  "grant lost",     "grant late",
	"grant repeated", "grant stale",  "grant cut off",   "messages lost",  "messages deaf",
	"client paused",  "client dies",  "client vanishes", "server forgets",
};

static const char *const script_names[RLK_SCRIPTS] = {
	[RLK_LOCK] = "LOCK",     [RLK_UNLOCK] = "UNLOCK", [RLK_CANCEL] = "CANCEL",
	[RLK_EXTEND] = "EXTEND", [RLK_RENEW] = "RENEW",
};

uint64_t world_random(struct world *world, uint64_t below)
{
	/* splitmix64 */
	uint64_t bits = world->random += 0x9e3779b97f4a7c15;
	bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9;
	bits = (bits ^ bits >> 27) * 0x94d049bb133111eb;
	return (bits ^ bits >> 31) % below;
}

void world_trace(struct world *world, const char *format, ...)
{
	if (world->traced) {
		va_list arguments;
		va_start(arguments, format);
		printf("%8lld  ", (long long)(world->now - START));
		vprintf(format, arguments);
		putchar('\n');
		va_end(arguments);
	}
}

void world_fail(struct world *world, const char *format, ...)
{
	if (world->failure[0] == '\0') {
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(world->failure, sizeof world->failure, format, arguments);
		va_end(arguments);
		world_trace(world, "FAILED: %s", world->failure);
	}
}

/* ---- events ---- */

static void schedule(struct world *world, struct event event)
{
	for (int i = 0; i < WORLD_EVENTS; i++) {
		if (world->events[i].kind == NO_EVENT) {
			event.order = world->event_order++;
			world->events[i] = event;
			return;
		}
	}
	world_fail(world, "too many events");
}

static struct event *first_event(struct world *world)
{
	struct event *first = NULL;
	for (int i = 0; i < WORLD_EVENTS; i++) {
		struct event *event = &world->events[i];
		if (event->kind != NO_EVENT && (first == NULL || event->at < first->at ||
		                                (event->at == first->at && event->order < first->order))) {
			first = event;
		}
	}
	return first;
}

static int64_t trip(struct world *world)
{
	return (int64_t)world_random(world, (uint64_t)world->plan->latency + 1);
}

/* Mostly soon. */
static int64_t some_time(struct world *world)
{
	return world_random(world, 4) > 0 ? trip(world) : (int64_t)world_random(world, COMMAND_MS);
}

static int64_t after(int64_t *last, int64_t at)
{
	*last = at > *last ? at : *last;
	return *last;
}

/* ---- faults ---- */

static struct fault strike(struct world *world, int what)
{
	static const int struck[FAULT_KINDS] = {
		[REPLY_LOST] = REPLIES,   [REPLY_LATE] = REPLIES,     [REPLY_REPEATED] = REPLIES,
		[GRANT_LOST] = GRANTS,    [GRANT_LATE] = GRANTS,      [GRANT_REPEATED] = GRANTS,
		[GRANT_STALE] = GRANTS,   [GRANT_CUT_OFF] = GRANTS,   [MESSAGES_LOST] = GRANTS,
		[MESSAGES_DEAF] = GRANTS, [RENEWAL_STRAY] = RENEWALS,
	};
	int number = ++world->counted[what];
	for (int i = 0; i < world->plan->fault_count; i++) {
		struct fault fault = world->plan->faults[i];
		if (fault.at == number && struck[fault.kind] == what) {
			world_trace(world, "%s, %lld ms", fault_names[fault.kind], (long long)fault.delay);
			return fault;
		}
	}
	return (struct fault) { NO_FAULT, 0, 0 };
}

static void lose_line(struct world *world, int which, int64_t notice)
{
	struct client *client = &world->clients[which];
	if (!client->broken) {
		struct event event = { .kind = LINE_LOST, .at = world->now + notice, .client = which };
		client->broken = true;
		event.line = ++client->line;
		schedule(world, event);
	}
}

static void lose_messages(struct world *world, int which, int64_t counts, int64_t noticed)
{
	struct client *client = &world->clients[which];
	client->message_line++;
	client->subscribed = false;
	after(&client->counts_until, world->now + counts);
	schedule(world, (struct event) { .kind = MESSAGES_GONE,
	                                 .at = world->now + noticed,
	                                 .client = which,
	                                 .line = client->message_line });
}

static void strike_client(struct world *world, int which, struct fault fault)
{
	struct client *client = &world->clients[which];
	switch (fault.kind) {
	case CLIENT_PAUSED:
		after(&client->paused_until, world->now + fault.delay);
		break;
	case CLIENT_DIES:
	case CLIENT_VANISHES:
		world->died = client->dead = true;
		client->subscribed = false;
		after(&client->counts_until, fault.kind == CLIENT_DIES ? world->now + trip(world) : RLK_NEVER);
		break;
	case SERVER_FORGETS:
		world->forgot = true;
		store_lose_everything(&world->store);
		break;
	default:
		break;
	}
}

/* ---- commands ---- */

void world_transmit(struct world *world, int which, struct flight flight)
{
	struct client *client = &world->clients[which];
	struct event event = { .kind = REQUEST, .client = which, .line = client->line };
	flight.id = ++world->flight_ids;
	flight.flying = true;
	event.flight = flight;
	if (client->flight_count == WORLD_FLIGHTS) {
		world_fail(world, "too many requests under way");
		return;
	}
	client->flights[client->flight_count++] = flight;
	world_trace(world, "client-%d: %s token-%d%s", which, script_names[flight.request.script], flight.request.token,
	            client->broken ? ", to nowhere" : "");
	bool renewal = flight.request.script == RLK_EXTEND || flight.request.script == RLK_RENEW;
	struct fault fault = strike(world, REQUESTS);
	struct fault another = renewal ? strike(world, RENEWALS) : fault;
	fault = another.kind != NO_FAULT ? another : fault;
	event.at = world->now + trip(world);
	strike_client(world, which, fault);
	if (client->broken) {
		return;
	}
	bool stray = fault.kind == REQUEST_STRAY || fault.kind == RENEWAL_STRAY;
	if (fault.kind == REQUEST_LOST || stray) {
		lose_line(world, which, some_time(world));
		if (stray) {
			event.stray = true;
			world->strays++;
			event.at += fault.delay;
			schedule(world, event);
		}
		return;
	}
	event.at = after(&client->last_request, event.at + (fault.kind == REQUEST_LATE ? fault.delay : 0));
	schedule(world, event);
}

static void execute(struct world *world, struct event *event)
{
	struct client *client = &world->clients[event->client];
	if (event->line != client->line && !event->stray) {
		return;
	}
	event->reply_count = store_execute(&world->store, &event->flight.request, event->reply);
	world_trace(world, "server: %s token-%d: %lld; token-%d holds, %d wait",
	            script_names[event->flight.request.script], event->flight.request.token,
	            (long long)event->reply[1].integer, world->store.owner, (int)world->store.waiting);
	if (world->store.issued != 0) {
		world->fences[world->store.issued] = world->store.fence;
	}
	if (event->stray) {
		return;
	}
	struct fault fault = strike(world, REPLIES);
	if (fault.kind == REPLY_LOST) {
		lose_line(world, event->client, some_time(world));
		return;
	}
	event->kind = REPLY;
	event->at = after(&client->last_reply, world->now + trip(world) + (fault.kind == REPLY_LATE ? fault.delay : 0));
	schedule(world, *event);
	if (fault.kind == REPLY_REPEATED) {
		event->at += fault.delay;
		schedule(world, *event);
	}
}

/* The client waits for no reply any longer. What it had sent may be executed all the same. */
static void give_up_line(struct world *world, int which)
{
	struct client *client = &world->clients[which];
	world_trace(world, "client-%d has waited for too long", which);
	for (int i = 0; i < WORLD_EVENTS; i++) {
		struct event *event = &world->events[i];
		if (event->kind == REQUEST && event->client == which && event->line == client->line) {
			event->stray = true;
			world->strays++;
		}
	}
	client->broken = true;
	client->line++;
	schedule(world, (struct event) { .kind = LINE_LOST, .at = world->now, .client = which, .line = client->line });
}

static int64_t command_deadline(const struct client *client)
{
	for (int i = 0; i < client->flight_count; i++) {
		if (client->flights[i].flying && client->flights[i].user >= 0) {
			return client_time_is(client, client->flights[i].sent_at + COMMAND_MS);
		}
	}
	return RLK_NEVER;
}

/* ---- messages ---- */

void world_subscribe(struct world *world, int which)
{
	struct client *client = &world->clients[which];
	client->opened = true;
	client->message_line++;
	schedule(world, (struct event) { .kind = SUBSCRIBE,
	                                 .at = world->now + trip(world) + trip(world),
	                                 .client = which,
	                                 .line = client->message_line });
}

void world_unsubscribe(struct world *world, int which)
{
	struct client *client = &world->clients[which];
	client->room.listening = false;
	client->opened = false;
	client->message_line++;
	if (client->subscribed) {
		client->subscribed = false;
		after(&client->counts_until, world->now + trip(world));
	}
}

static void subscribe(struct world *world, const struct event *event)
{
	struct client *client = &world->clients[event->client];
	if (event->line == client->message_line && !client->dead) {
		client->subscribed = true;
		client->last_message = world->now + trip(world);
		schedule(world, (struct event) { .kind = CONFIRMATION,
		                                 .at = client->last_message,
		                                 .client = event->client,
		                                 .line = event->line });
	}
}

static bool listens(void *context, int which)
{
	struct world *world = context;
	return world->clients[which].subscribed || world->now < world->clients[which].counts_until;
}

static void grant(void *context, int which, const char *message)
{
	struct world *world = context;
	struct client *client = &world->clients[which];
	struct event event = { .kind = GRANT, .client = which, .line = client->message_line };
	struct fault fault = strike(world, GRANTS);
	world_trace(world, "server: %s", message);
	snprintf(event.message, sizeof event.message, "%s", message);
	strike_client(world, which, fault);
	if (!client->subscribed || fault.kind == GRANT_LOST) {
		return;
	}
	if (fault.kind == MESSAGES_LOST) {
		lose_messages(world, which, 0, trip(world));
		return;
	}
	if (fault.kind == MESSAGES_DEAF) {
		lose_messages(world, which, fault.delay, fault.delay);
		return;
	}
	event.at = world->now + trip(world);
	if (fault.kind == GRANT_STALE) {
		after(&client->paused_until, world->now + fault.delay);
		event.at = client->paused_until + 50 + (int64_t)world_random(world, 500);
	} else if (fault.kind == GRANT_LATE || fault.kind == GRANT_CUT_OFF) {
		event.at += fault.delay;
		event.cuts_off = fault.kind == GRANT_CUT_OFF;
	} else {
		event.at = after(&client->last_message, event.at);
	}
	schedule(world, event);
	if (fault.kind == GRANT_REPEATED) {
		event.at += fault.delay;
		schedule(world, event);
	}
}

static void released(void *context)
{
	struct world *world = context;
	for (int i = 0; i < world->plan->clients; i++) {
		struct client *client = &world->clients[i];
		if (client->subscribed) {
			int64_t at = after(&client->last_message, world->now + trip(world));
			schedule(world,
			         (struct event) {
			                 .kind = RELEASED, .at = at, .client = i, .line = client->message_line });
		}
	}
}

/* ---- the run ---- */

static void deliver(struct world *world, struct event event)
{
	struct client *client = &world->clients[event.client];
	bool message = event.kind == CONFIRMATION || event.kind == GRANT || event.kind == RELEASED;
	if (event.kind == REQUEST) {
		execute(world, &event);
		return;
	}
	if (event.kind == SUBSCRIBE) {
		subscribe(world, &event);
		return;
	}
	if (client->dead) {
		return;
	}
	if (world->now < client->paused_until) {
		/* Between the two lines there is no order: now one comes first, now the other. */
		event.at = client->paused_until + (message == (client->paused_until % 2 == 0));
		schedule(world, event);
		return;
	}
	if (event.line != (message || event.kind == MESSAGES_GONE ? client->message_line : client->line)) {
		return;
	}
	if (event.cuts_off) {
		lose_line(world, event.client, COMMAND_MS);
	}
	switch (event.kind) {
	case REPLY:
		client_reply(world, event.client, &event);
		break;
	case CONFIRMATION:
		client_listens(world, event.client);
		break;
	case LINE_LOST: {
		int64_t back = world->now + trip(world) + trip(world) + (int64_t)world_random(world, 100);
		world_trace(world, "client-%d has lost its connection", event.client);
		client_line_lost(world, event.client);
		schedule(world,
		         (struct event) { .kind = LINE_UP, .at = back, .client = event.client, .line = client->line });
		break;
	}
	case LINE_UP:
		client->up = true;
		client->broken = false;
		break;
	case MESSAGES_GONE:
		world_unsubscribe(world, event.client);
		break;
	default:
		client_message(world, event.client, &event);
		break;
	}
	client_run(world, event.client);
}

/* What happens next; false if nothing does any more. */
static bool step(struct world *world)
{
	struct event *event = first_event(world);
	int64_t next = event != NULL ? event->at : RLK_NEVER;
	int runs = -1, gives_up = -1;
	bool finished = true;
	for (int i = 0; i < world->plan->clients; i++) {
		const struct client *client = &world->clients[i];
		if (client->dead) {
			continue;
		}
		finished &= client_finished(client);
		int64_t wake = client->wake_at, deadline = command_deadline(client);
		after(&wake, client->paused_until);
		after(&deadline, client->paused_until);
		if (!client->broken && deadline < next) {
			next = deadline;
			gives_up = i;
			runs = -1;
		}
		if (wake < next) {
			next = wake;
			runs = i;
			gives_up = -1;
		}
	}
	if ((finished && event == NULL) || next == RLK_NEVER) {
		if (!finished) {
			world_fail(world, "somebody waits, and nothing happens any more");
		}
		return false;
	}
	world->now = next > world->now ? next : world->now;
	world->store.now = world->now;
	if (runs >= 0) {
		client_run(world, runs);
	} else if (gives_up >= 0) {
		give_up_line(world, gives_up);
	} else {
		struct event it = *event;
		event->kind = NO_EVENT;
		deliver(world, it);
	}
	return true;
}

bool world_run(struct world *world, const struct plan *plan, bool traced)
{
	memset(world, 0, sizeof *world);
	world->plan = plan;
	world->traced = traced;
	world->random = plan->seed;
	world->now = world->idle_since = START;
	store_init(&world->store);
	world->store.now = START;
	world->store.context = world;
	world->store.listens = listens;
	world->store.grant = grant;
	world->store.released = released;
	for (int i = 0; i < plan->clients; i++) {
		client_init(world, i);
	}
	while (world->failure[0] == '\0' && step(world)) {
		world_check(world);
		if (++world->steps > STEPS || world->now > START + LONGEST_RUN) {
			world_fail(world, "somebody waits without an end");
		}
	}
	if (world->failure[0] == '\0') {
		world_check_end(world);
	}
	return world->failure[0] == '\0';
}
