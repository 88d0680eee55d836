/* SPDX-License-Identifier: MIT
 *
 * Durations as people write them: 500ms, 1.5s, 2m, 1h, 7d. */
#include "cli.h"

#include <string.h>

#define LONGEST_MS ((UINT64_C(1) << 53) - 1)

static const struct unit {
	const char *name;
	uint64_t ms;
} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };

static uint64_t unit_ms(const char *name)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp(name, units[i].name) == 0) {
			return units[i].ms;
		}
	}
	return 0;
}

const char *duration_parse(const char *text, const char *word, int64_t *duration_ms)
{
	const char *next = text;
	uint64_t number = 0, divisor = 1, unit;
	bool in_fraction = false;

	if (word != NULL && strcmp(text, word) == 0) {
		*duration_ms = -1;
		return NULL;
	}
	if (*next < '0' || *next > '9') {
		return "is no duration; write it like 500ms, 30s, 2m or 1h";
	}
	for (; (*next >= '0' && *next <= '9') || (*next == '.' && !in_fraction); next++) {
		if (*next == '.') {
			in_fraction = true;
			continue;
		}
		if (number > LONGEST_MS || (in_fraction && divisor > LONGEST_MS)) {
			return "is too long a number";
		}
		number = number * 10 + (uint64_t)(*next - '0');
		divisor *= in_fraction ? 10 : 1;
	}
	if (*next == '\0' && number == 0) {
		*duration_ms = 0;
		return NULL;
	}
	if (*next == '\0') {
		return "has no unit; write it like 500ms, 30s, 2m or 1h";
	}
	unit = unit_ms(next);
	if (unit == 0 || next[-1] == '.') {
		return "is no duration; write it like 500ms, 30s, 2m or 1h";
	}
	if (number > UINT64_MAX / unit || number * unit / divisor > LONGEST_MS) {
		return "is too long";
	}
	if (number * unit % divisor != 0) {
		return "is finer than a millisecond";
	}
	*duration_ms = (int64_t)(number * unit / divisor);
	return NULL;
}
