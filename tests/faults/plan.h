/* SPDX-License-Identifier: MIT
 *
 * What one handle of a workload does next: drawn from the seed, the same for every language that has none of its own.
 */
#ifndef FAULTS_PLAN_H
#define FAULTS_PLAN_H

#include <stdbool.h>
#include <stdint.h>

struct plan {
	unsigned name;
	bool spin, renew;
	int64_t ttl_ms, wait_ms;
	int64_t hold_us;   /* 0: released at once */
	int64_t extend_ms; /* 0: not extended */
	int64_t pause_us;  /* after it */
};

/* The next one; seed is that of one handle and moves on. */
struct plan plan_next(uint64_t *seed, unsigned names);

uint64_t plan_random(uint64_t *seed);

#endif
