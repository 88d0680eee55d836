/* SPDX-License-Identifier: MIT
 *
 * A client of the world: it drives its machines as the engine does, and plays those who use them. */
#include "world.h"

#include "redislock/redislock.h"
#include "test.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE = 3000, LONGEST_TTL = 6000 };

int64_t client_time(const struct client *client, int64_t at)
{
	return client->offset + at + at * client->rate / 1000;
}

int64_t client_time_is(const struct client *client, int64_t local)
{
	if (local >= RLK_NEVER / 10000) {
		return RLK_NEVER;
	}
	int64_t at = (local - client->offset) * 1000 / (1000 + client->rate) - 2;
	while (client_time(client, at) < local) {
		at++;
	}
	return at;
}

static bool percent(struct world *world, int chance)
{
	return (int64_t)world_random(world, 100) < chance;
}

void client_init(struct world *world, int which)
{
	const struct plan *plan = world->plan;
	struct client *client = &world->clients[which];
	client->offset = (int64_t)world_random(world, 1000000);
	client->rate = plan->skewed ? (int32_t)world_random(world, 19) - 9 : 0;
	client->up = true;
	snprintf(client->id, sizeof client->id, "client-%d", which);
	rlk_room_init(&client->room, (struct rlk_slice) { client->id, strlen(client->id) }, &client->pace);
	rlk_names_build(&client->room.names, client->names, "foo", 3);
	for (int i = 0; i < plan->machines; i++) {
		struct user *user = &client->users[i];
		struct rlk_machine *machine = &user->machine;
		rlk_machine_init(machine, &client->room, percent(world, plan->spinners) ? RLK_SPIN : RLK_PUBSUB);
		machine->ttl = percent(world, plan->permanent) ? -1 : plan->ttl;
		machine->renew = !percent(world, plan->unrenewed);
		machine->wait = percent(world, plan->impatient) ? (int64_t)world_random(world, 3000) : -1;
		machine->interval = 20 + (int64_t)world_random(world, 50);
		machine->interval_max = 200;
		machine->growth = 100 + (int32_t)world_random(world, 100);
		machine->label = RLK_LITERAL("");
		user->rounds = 2;
		user->next_at = world->now + (int64_t)world_random(world, 300);
	}
	client->wake_at = world->now;
}

bool client_finished(const struct client *client)
{
	for (int i = 0; i < WORLD_MACHINES; i++) {
		if (client->users[i].rounds > 0) {
			return false;
		}
	}
	return client->flight_count == 0;
}

/* ---- those who use the machines ---- */

static void end_round(struct world *world, struct user *user)
{
	user->rounds--;
	user->doing = user->rounds > 0 ? RESTING : FINISHED;
	user->next_at = user->rounds > 0 ? world->now + (int64_t)world_random(world, 200) : RLK_NEVER;
}

static void begin_hold(struct world *world, struct client *client, struct user *user)
{
	const struct rlk_machine *machine = &user->machine;
	world_trace(world, "token-%d has it, fence %llu", user->token, (unsigned long long)machine->fence);
	if (!rlk_machine_held(machine, client_time(client, world->now))) {
		world_fail(world, "token-%d acquired what it doesn't hold", user->token);
	}
	/* Where data was lost, who was granted it first may learn of it last. */
	if (machine->fence <= world->last_fence && !world->forgot) {
		world_fail(world, "token-%d acquired with fence %llu after %llu", user->token,
		           (unsigned long long)machine->fence, (unsigned long long)world->last_fence);
	}
	world->last_fence = machine->fence;
	world->acquired++;
	world->handed += machine->unacknowledged && machine->ttl > 0;
	user->doing = HOLDING;
	user->extensions = percent(world, world->plan->changes) ? 1 + (int)world_random(world, 3) : 0;
	bool takes_long = user->extensions > 0 || percent(world, 20);
	user->next_at = world->now + (int64_t)world_random(world, takes_long ? 3000 : 150);
}

/* Somebody waited for what is decided now. */
static void decide(struct world *world, struct client *client, struct user *user)
{
	struct rlk_machine *machine = &user->machine;
	int32_t status = machine->status;
	bool gone = status == REDISLOCK_LOST || status == REDISLOCK_NOT_OWNED;
	machine->done = false;
	switch (user->doing) {
	case ACQUIRING:
		if (status == REDISLOCK_OK) {
			begin_hold(world, client, user);
		} else if (status == REDISLOCK_LOST) {
			user->doing = RESTING;
			user->next_at = world->now;
		} else {
			if (machine->wait < 0) {
				world_fail(world, "token-%d: an endless wait ended with %d", user->token, status);
			}
			end_round(world, user);
		}
		break;
	case CANCELLING:
		end_round(world, user);
		break;
	case EXTENDING:
	case RELEASING:
		world_trace(world, "token-%d: %s: %d", user->token, user->doing == EXTENDING ? "extended" : "released",
		            status);
		if (user->doing == RELEASING && (status == REDISLOCK_OK || gone)) {
			end_round(world, user);
		} else if (gone) {
			end_round(world, user);
		} else {
			user->doing = HOLDING;
			user->next_at = world->now + 20 + (int64_t)world_random(world, 200);
		}
		break;
	default:
		break;
	}
}

static void acquire(struct world *world, struct client *client, struct user *user)
{
	char token[16];
	user->token = ++world->tokens;
	assert_true(user->token < WORLD_TOKENS);
	snprintf(token, sizeof token, "token-%d", user->token);
	user->doing = ACQUIRING;
	user->next_at =
	        percent(world, world->plan->whims) ? world->now + (int64_t)world_random(world, 2000) : RLK_NEVER;
	rlk_machine_acquire(&user->machine, (struct rlk_slice) { token, strlen(token) },
	                    (uint32_t)world_random(world, UINT32_MAX), PATIENCE, client_time(client, world->now));
}

static void come_back(struct world *world, struct client *client, struct user *user)
{
	struct rlk_machine *machine = &user->machine;
	int64_t local = client_time(client, world->now);
	user->next_at = RLK_NEVER;
	switch (world_random(world, 4)) {
	case 0:
		user->doing = CANCELLING;
		rlk_machine_cancel(machine, PATIENCE, local);
		break;
	case 1:
		rlk_machine_abandon(machine);
		end_round(world, user);
		break;
	case 2:
		machine->wait = 0;
		/* fall through */
	default:
		user->doing = ACQUIRING;
		rlk_machine_resume(machine, PATIENCE, local);
		break;
	}
}

static void act(struct world *world, struct client *client, struct user *user)
{
	int64_t local = client_time(client, world->now);
	switch (user->doing) {
	case RESTING:
		acquire(world, client, user);
		break;
	case ACQUIRING:
		rlk_machine_suspend(&user->machine);
		user->doing = AWAY;
		user->next_at = world->now + (int64_t)world_random(world, 4000);
		break;
	case AWAY:
		come_back(world, client, user);
		break;
	case HOLDING:
		user->next_at = RLK_NEVER;
		if (user->extensions > 0) {
			bool end = !percent(world, world->plan->permanent);
			user->extensions--;
			user->doing = EXTENDING;
			rlk_machine_extend(&user->machine,
			                   end ? 300 + (int64_t)world_random(world, LONGEST_TTL - 300) : -1, PATIENCE,
			                   local);
		} else {
			user->doing = RELEASING;
			rlk_machine_release(&user->machine, PATIENCE, local);
		}
		break;
	default:
		user->next_at = RLK_NEVER;
		break;
	}
}

/* ---- driving ---- */

static void clean_up(struct world *world, int which, struct store_request request)
{
	struct client *client = &world->clients[which];
	struct flight flight = { .user = -1, .request = request };
	if (client->up) {
		world_transmit(world, which, flight);
	} else {
		assert_true(client->flight_count < WORLD_FLIGHTS);
		client->flights[client->flight_count++] = flight;
	}
}

static void settle(struct world *world, int which, struct user *user)
{
	struct client *client = &world->clients[which];
	struct rlk_machine *machine = &user->machine;
	if (machine->phase == RLK_LISTENING && client->room.listening) {
		rlk_machine_listening(machine, client_time(client, world->now));
	}
	if (machine->phase == RLK_IDLE && machine->ticket) {
		struct rlk_words words;
		machine->ticket = false;
		rlk_machine_cancel_words(machine, &words, false);
		clean_up(world, which, store_read(RLK_CANCEL, &words));
	}
	if (machine->done && user->doing != AWAY) {
		decide(world, client, user);
	}
}

static bool rests(const struct world *world, const struct client *client)
{
	return client->dead || world->now < client->paused_until;
}

static void send(struct world *world, int which)
{
	struct client *client = &world->clients[which];
	for (int i = 0; i < client->flight_count; i++) {
		struct flight flight = client->flights[i];
		if (flight.user < 0 && !flight.flying) {
			client->flight_count--;
			memmove(&client->flights[i], &client->flights[i + 1],
			        (size_t)(client->flight_count - i) * sizeof flight);
			world_transmit(world, which, flight);
			i = -1;
		}
	}
	for (int i = 0; i < world->plan->machines; i++) {
		struct user *user = &client->users[i];
		int64_t local = client_time(client, world->now);
		while (!rests(world, client) && rlk_machine_ready(&user->machine, local)) {
			struct rlk_words words;
			struct flight flight = { .user = i, .sent_at = local };
			enum rlk_script script = rlk_machine_send(&user->machine, &words, false, &flight.number, local);
			flight.request = store_read(script, &words);
			world_transmit(world, which, flight);
		}
	}
}

/* When it wants to run next. */
static int64_t wake_at(const struct world *world, const struct client *client)
{
	int64_t wake = RLK_NEVER, local = client_time(client, world->now);
	for (int i = 0; i < world->plan->machines; i++) {
		const struct user *user = &client->users[i];
		int64_t at = client_time_is(client, rlk_machine_wake(&user->machine, local));
		at = at > world->now ? at : world->now + 1;
		at = user->next_at < at ? user->next_at : at;
		wake = at < wake ? at : wake;
	}
	return wake;
}

void client_run(struct world *world, int which)
{
	struct client *client = &world->clients[which];
	bool listeners = false;
	if (rests(world, client)) {
		return;
	}
	for (int i = 0; i < world->plan->machines; i++) {
		struct user *user = &client->users[i];
		if (user->next_at <= world->now) {
			act(world, client, user);
			settle(world, which, user);
		}
		rlk_machine_tick(&user->machine, client_time(client, world->now));
		settle(world, which, user);
		listeners |= user->machine.phase == RLK_LISTENING || user->machine.phase == RLK_WAITING;
	}
	if (client->up) {
		send(world, which);
		if (listeners && !client->opened && !rests(world, client)) {
			world_subscribe(world, which);
		}
	}
	client->wake_at = wake_at(world, client);
}

/* ---- what reaches it ---- */

void client_reply(struct world *world, int which, const struct event *event)
{
	struct client *client = &world->clients[which];
	const struct flight *flight = &event->flight;
	int64_t local = client_time(client, world->now);
	struct rlk_answer answer = rlk_answer_parse(event->reply, event->reply_count);
	for (int i = 0; i < client->flight_count; i++) {
		if (client->flights[i].id == flight->id) {
			int64_t trip = local - flight->sent_at, *longest = &client->pace.round_trip;
			if (flight->user >= 0) {
				*longest = trip > *longest ? trip : *longest - (*longest - trip) / 8;
			}
			client->flight_count--;
			memmove(&client->flights[i], &client->flights[i + 1],
			        (size_t)(client->flight_count - i) * sizeof *flight);
			break;
		}
	}
	if (flight->user >= 0) {
		struct user *user = &client->users[flight->user];
		rlk_machine_answer(&user->machine, flight->request.script, flight->number, flight->sent_at, answer,
		                   local);
		settle(world, which, user);
	}
}

static void take_grant(struct world *world, int which, const struct rlk_grant *grant)
{
	struct client *client = &world->clients[which];
	struct store_request request = { .script = RLK_UNLOCK, .mode = 1 };
	assert_int_equal(sscanf(grant->token.data, "token-%d", &request.token), 1);
	for (int i = 0; i < world->plan->machines; i++) {
		struct user *user = &client->users[i];
		struct rlk_machine *machine = &user->machine;
		bool known = machine->phase != RLK_IDLE && machine->phase != RLK_OVER;
		if (user->token == request.token && known) {
			bool taken = rlk_machine_granted(machine, grant, client_time(client, world->now));
			settle(world, which, user);
			if (taken) {
				return;
			}
		}
	}
	world_trace(world, "client-%d gives token-%d back", which, request.token);
	clean_up(world, which, request);
}

void client_message(struct world *world, int which, const struct event *event)
{
	struct client *client = &world->clients[which];
	struct rlk_grant grant;
	if (event->kind == GRANT) {
		assert_true(rlk_grant_parse((struct rlk_slice) { event->message, strlen(event->message) }, &grant));
		take_grant(world, which, &grant);
	} else {
		rlk_room_nudge(&client->room, client_time(client, world->now));
	}
}

void client_listens(struct world *world, int which)
{
	struct client *client = &world->clients[which];
	int64_t local = client_time(client, world->now);
	client->room.listening = true;
	for (struct rlk_machine *machine = client->room.first; machine != NULL; machine = machine->next) {
		rlk_machine_listening(machine, local);
	}
	for (int i = 0; i < world->plan->machines; i++) {
		settle(world, which, &client->users[i]);
	}
}

void client_line_lost(struct world *world, int which)
{
	struct client *client = &world->clients[which];
	int64_t local = client_time(client, world->now);
	int count = client->flight_count;
	struct flight flights[WORLD_FLIGHTS];
	memcpy(flights, client->flights, sizeof flights);
	client->up = false;
	client->flight_count = 0;
	world_unsubscribe(world, which);
	for (int i = 0; i < count; i++) {
		if (flights[i].user < 0) {
			flights[i].flying = false;
			client->flights[client->flight_count++] = flights[i];
		}
	}
	for (int i = 0; i < count; i++) {
		if (flights[i].user >= 0) {
			struct user *user = &client->users[flights[i].user];
			rlk_machine_dropped(&user->machine, flights[i].number, local);
			settle(world, which, user);
		}
	}
	for (int i = 0; i < world->plan->machines; i++) {
		struct user *user = &client->users[i];
		if (rlk_machine_ready(&user->machine, local)) {
			rlk_machine_trouble(&user->machine, REDISLOCK_CONNECTION_LOST, false, local);
			settle(world, which, user);
		}
	}
}
