/* SPDX-License-Identifier: MIT
 *
 * How long a hold may be believed: from before the request was sent, less what two clocks may differ by. */
#include "core.h"

enum { DRIFT_PER_CENT = 1, DRIFT_MS = 2 };

int64_t rlk_lease_end(int64_t sent_at, int64_t ttl)
{
	if (ttl < 0) {
		return RLK_NEVER;
	}
	int64_t sure = ttl - ttl / 100 * DRIFT_PER_CENT - DRIFT_MS;
	return sent_at > RLK_NEVER - 1 - ttl ? RLK_NEVER - 1 : sent_at + (sure > 0 ? sure : 0);
}
