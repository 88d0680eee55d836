/* SPDX-License-Identifier: MIT
 *
 * Not acquired, what next? Spin: try again after a pause, which may grow. A spinner has no place in the queue. */
#include "core.h"

static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

void rlk_spin_busy(struct rlk_machine *machine, int64_t now)
{
	int64_t pause = machine->pause;
	if (machine->growth > 100) {
		machine->pause = pause * machine->growth / 100;
		if (machine->pause > machine->interval_max) {
			machine->pause = machine->interval_max;
		}
		/* Up to a quarter less, so that those who began together don't stay together. */
		pause -= (int64_t)(next_random(&machine->jitter) % (uint64_t)(pause / 4 + 1));
	}
	machine->phase = RLK_PAUSING;
	rlk_request_want(&machine->ask, now + pause);
}
