/* SPDX-License-Identifier: MIT
 *
 * Thousands of schedules in which something goes wrong, and what must hold in each: nobody believes to hold what
 * another holds, fences rise in the order of the grants, whoever waits is served, and nothing is left behind.
 *
 * A schedule that fails prints its number; core-lossy NUMBER runs it alone and tells the story. */
#include "world.h"

#include "redislock/redislock.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

/* The schedules of a round: one fault at every place, then pairs and more at random. */
enum {
	CALM = 50,
	PLACES = 40,
	DELAYS = 4,
	SINGLE = (FAULT_KINDS - 1) * PLACES * DELAYS,
	SEVERAL = 4000,
	CHANGING = 2000
};

/* After so many that failed the rest isn't worth the time. */
enum { ENOUGH = 5 };

static struct world world;

static int64_t pick(struct world *random, int64_t least, int64_t most)
{
	return least + (int64_t)world_random(random, (uint64_t)(most - least + 1));
}

static const int64_t delays[] = { 30, 700, 1200, 4500, 300, 2500, 8000 };

static bool kills(struct fault fault)
{
	return fault.kind == CLIENT_DIES || fault.kind == CLIENT_VANISHES;
}

static struct plan single(int which)
{
	int kinds = FAULT_KINDS - 1, place = which / kinds % PLACES, delay = which / kinds / PLACES;
	struct plan plan = {
		.seed = (uint64_t)(1 + delay),
		.clients = 3,
		.machines = 2,
		.ttl = 3000,
		.latency = 4,
		.impatient = 20,
		.unrenewed = 20,
		.permanent = 20,
		.whims = 20,
		.changes = 20,
		.skewed = true,
		.fault_count = 1,
		.faults = { { (enum fault_kind)(1 + which % kinds), 1 + place, delays[delay] } },
	};
	/* Whoever dies with a lock that has no end leaves it to nobody. */
	if (kills(plan.faults[0])) {
		plan.permanent = 0;
	}
	return plan;
}

static struct plan several(uint64_t seed)
{
	struct world random = { .random = seed };
	struct plan plan = {
		.seed = seed * 2654435761u,
		.clients = (int)pick(&random, 2, WORLD_CLIENTS),
		.machines = (int)pick(&random, 1, WORLD_MACHINES),
		.ttl = pick(&random, 500, 6000),
		.latency = pick(&random, 0, 1) > 0 ? 4 : pick(&random, 1, 150),
		.spinners = (int)pick(&random, 0, 2) * 15,
		.impatient = (int)pick(&random, 0, 2) * 20,
		.unrenewed = (int)pick(&random, 0, 2) * 20,
		.permanent = (int)pick(&random, 0, 2) * 15,
		.whims = (int)pick(&random, 0, 2) * 15,
		.changes = (int)pick(&random, 0, 2) * 15,
		.skewed = true,
		.fault_count = (int)pick(&random, 1, WORLD_FAULTS),
	};
	for (int i = 0; i < plan.fault_count; i++) {
		plan.faults[i] = (struct fault) { (enum fault_kind)pick(&random, 1, FAULT_KINDS - 1),
			                          (int)pick(&random, 1, PLACES), delays[pick(&random, 0, 6)] };
		if (kills(plan.faults[i])) {
			plan.permanent = 0;
		}
	}
	return plan;
}

/* Few who do nothing but change their leases, while requests for the former ones come late. */
static struct plan changing(uint64_t seed)
{
	struct world random = { .random = seed };
	struct plan plan = {
		.seed = seed * 2654435761u,
		.clients = 2,
		.machines = 1,
		.ttl = pick(&random, 500, 3000),
		.latency = 4,
		.permanent = 30,
		.changes = 100,
		.fault_count = WORLD_FAULTS,
	};
	for (int i = 0; i < plan.fault_count; i++) {
		static const enum fault_kind kinds[] = { RENEWAL_STRAY, RENEWAL_STRAY, REQUEST_LATE, REPLY_LOST,
			                                 CLIENT_PAUSED };
		plan.faults[i] = (struct fault) { kinds[pick(&random, 0, 4)], (int)pick(&random, 1, PLACES / 2),
			                          delays[pick(&random, 0, 6)] };
	}
	return plan;
}

static struct plan plan_of(int number)
{
	if (number < CALM) {
		return (struct plan) {
			.seed = (uint64_t)number, .clients = 3, .machines = 2, .ttl = 3000, .latency = 4, .skewed = true
		};
	}
	if (number < CALM + SINGLE) {
		return single(number - CALM);
	}
	return number < CALM + SINGLE + SEVERAL ? several((uint64_t)number) : changing((uint64_t)number);
}

static void run_schedules(int first, int count)
{
	/* Sanitizers and valgrind take every tenth or so. */
	const char *text = getenv("REDISLOCK_TEST_PERCENT");
	int percent = text != NULL && atoi(text) > 0 ? atoi(text) : 100;
	int failed = 0, acquired = 0, handed = 0, steps = 0, run = 0;
	for (; run * 100 < count * percent && failed < ENOUGH; run++) {
		int number = first + run * 100 / percent;
		struct plan plan = plan_of(number);
		if (!world_run(&world, &plan, false)) {
			print_error("schedule %d: %s\n", number, world.failure);
			failed++;
		}
		acquired += world.acquired;
		handed += world.handed;
		steps += world.steps;
	}
	print_message("%d schedules: %d acquisitions, %d of them by a hand-off, %d steps\n", run, acquired, handed,
	              steps);
	assert_int_equal(failed, 0);
	/* There would be no point in it otherwise. */
	assert_true(acquired >= 3 * run && handed >= run);
}

static void nothing_goes_wrong(void **state)
{
	(void)state;
	run_schedules(0, CALM);
}

static void one_fault_at_every_place(void **state)
{
	(void)state;
	run_schedules(CALM, SINGLE);
}

static void several_faults_at_random(void **state)
{
	(void)state;
	run_schedules(CALM + SINGLE, SEVERAL);
}

static void leases_that_change(void **state)
{
	(void)state;
	run_schedules(CALM + SINGLE + SEVERAL, CHANGING);
}

static int run_one(int number)
{
	struct plan plan = plan_of(number);
	for (int i = 0; i < plan.fault_count; i++) {
		printf("%s: number %d, %lld ms\n", fault_names[plan.faults[i].kind], plan.faults[i].at,
		       (long long)plan.faults[i].delay);
	}
	bool good = world_run(&world, &plan, true);
	printf("schedule %d: %s\n", number, good ? "good" : world.failure);
	return good ? 0 : 1;
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_goes_wrong),
		cmocka_unit_test(one_fault_at_every_place),
		cmocka_unit_test(several_faults_at_random),
		cmocka_unit_test(leases_that_change),
	};
	if (count == 2) {
		return run_one(atoi(arguments[1]));
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
