/* SPDX-License-Identifier: MIT
 *
 * What must hold in the world, whatever goes wrong (protocol 1). */
#include "world.h"

/* How long nobody holds while somebody waits, at most: a lease and two of the longest hand-off leases; and without a
 * fault, some latencies. */
enum { IDLE_MS = 22000, IDLE_CALM_MS = 30 };

void world_check(struct world *world)
{
	const struct store *store = &world->store;
	int believers = 0, waiters = 0;
	store_expire(&world->store);
	for (int i = 0; i < world->plan->clients; i++) {
		const struct client *client = &world->clients[i];
		if (client->dead) {
			continue;
		}
		for (int k = 0; k < world->plan->machines; k++) {
			const struct user *user = &client->users[k];
			const struct rlk_machine *machine = &user->machine;
			if (rlk_machine_held(machine, client_time(client, world->now))) {
				believers++;
				if (!world->forgot &&
				    (store->owner != user->token || machine->fence != world->fences[user->token])) {
					world_fail(world, "token-%d believes to hold, and the server knows better",
					           user->token);
				}
			}
			waiters += machine->phase == RLK_WAITING && !machine->suspended && !client->broken &&
			           world->now >= client->paused_until;
		}
	}
	if (believers > 1 && !world->forgot) {
		world_fail(world, "%d believe to hold", believers);
	}
	bool idle = believers == 0 && waiters > 0;
	if (!idle || !world->idle) {
		world->idle_since = world->now;
	}
	world->idle = idle;
	if (world->now - world->idle_since > world->idle_longest) {
		world->idle_longest = world->now - world->idle_since;
	}
}

void world_check_end(struct world *world)
{
	const struct plan *plan = world->plan;
	const struct store *store = &world->store;
	int64_t most = plan->fault_count > 0 ? IDLE_MS : 6 * plan->latency + IDLE_CALM_MS;
	store_expire(&world->store);
	if (world->idle_longest > most) {
		world_fail(world, "nobody held for %lld ms, and somebody waited", (long long)world->idle_longest);
	}
	for (size_t i = 0; i < store->waiting; i++) {
		if (world->strays == 0 && !world->clients[store->queue[i].client].dead) {
			world_fail(world, "the ticket of token-%d is left", store->queue[i].token);
		}
	}
	bool stays = store->expires_at == RLK_NEVER && !world->died;
	if (store->owner != 0 && (plan->fault_count == 0 || stays)) {
		world_fail(world, "token-%d is left holding", store->owner);
	}
}
