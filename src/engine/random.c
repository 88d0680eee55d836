/* SPDX-License-Identifier: MIT
 *
 * The kernel is asked for a page at a time, so that a token costs no system call. */
#include "engine.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static bool refill(struct rlk_random *random)
{
	size_t filled = 0;
	while (filled < sizeof random->pool) {
		ssize_t got = getrandom(random->pool + filled, sizeof random->pool - filled, 0);
		if (got < 0 && errno != EINTR) {
			return false;
		}
		filled += got > 0 ? (size_t)got : 0;
	}
	random->used = 0;
	return true;
}

bool rlk_random_bytes(struct rlk_random *random, void *out, size_t length)
{
	if (length > sizeof random->pool - random->used && !refill(random)) {
		return false;
	}
	memcpy(out, random->pool + random->used, length);
	/* What was given out is not kept. */
	memset(random->pool + random->used, 0, length);
	random->used += length;
	return true;
}

bool rlk_random_hex(struct rlk_random *random, char *out, size_t digits)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t bytes[RLK_TOKEN_MAX / 2];
	if (digits > RLK_TOKEN_MAX || !rlk_random_bytes(random, bytes, digits / 2)) {
		return false;
	}
	for (size_t i = 0; i + 1 < digits; i += 2) {
		out[i] = hex[bytes[i / 2] >> 4];
		out[i + 1] = hex[bytes[i / 2] & 15];
	}
	return true;
}
