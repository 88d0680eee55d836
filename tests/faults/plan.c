/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <stdlib.h>

enum { WAIT_MS = 8000, SHORT_WAIT_MS = 300, LASTING_MS = 8000 };

uint64_t plan_random(uint64_t *seed)
{
	uint64_t mixed = *seed += 0x9e3779b97f4a7c15u;

	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
	return mixed ^ (mixed >> 31);
}

static int64_t upto(uint64_t *seed, int64_t most)
{
	return (int64_t)(plan_random(seed) % (uint64_t)(most + 1));
}

static bool in_hundred(uint64_t *seed, unsigned percent)
{
	return plan_random(seed) % 100 < percent;
}

/* How many in a hundred holds last about as long as their lease: FAULTS_LONG from the environment. */
static unsigned long_holds(void)
{
	const char *text = getenv("FAULTS_LONG");

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
}

/* How many in a thousand are held for many times a short lease, which is renewed: FAULTS_LASTING. */
static unsigned lasting_holds(void)
{
	const char *text = getenv("FAULTS_LASTING");

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : 0;
}

struct plan plan_next(uint64_t *seed, unsigned names)
{
	static const int64_t ttls[] = { 300, 800, 2000 };
	struct plan plan = {
		.name = (unsigned)(plan_random(seed) % names),
		.spin = in_hundred(seed, 10),
		.renew = in_hundred(seed, 50),
		.ttl_ms = ttls[plan_random(seed) % 3],
		.wait_ms = in_hundred(seed, 8)   ? 0
		           : in_hundred(seed, 8) ? upto(seed, SHORT_WAIT_MS) + 1
		                                 : WAIT_MS,
	};

	/* Most are short; few are long enough to be renewed, or to outlive a lease that isn't. */
	if (lasting_holds() > 0 && plan_random(seed) % 1000 < lasting_holds()) {
		plan.renew = true;
		plan.ttl_ms = ttls[0];
		plan.hold_us = upto(seed, (int64_t)LASTING_MS * 1000);
	} else if (in_hundred(seed, long_holds())) {
		plan.hold_us = upto(seed, plan.ttl_ms * 1500);
	} else if (in_hundred(seed, 15)) {
		plan.hold_us = upto(seed, 3000);
	} else if (in_hundred(seed, 1)) {
		plan.hold_us = upto(seed, 100000);
	} else if (plan_random(seed) % 400 == 0) {
		plan.hold_us = upto(seed, plan.ttl_ms * 1500);
	}
	if (plan.hold_us > 0 && in_hundred(seed, 10))
		plan.extend_ms = ttls[plan_random(seed) % 3];
	if (in_hundred(seed, 30))
		plan.pause_us = upto(seed, 3000);
	return plan;
}
