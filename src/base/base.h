/* SPDX-License-Identifier: MIT
 *
 * What every layer shares: the shapes in which bytes and replies travel between layers that don't know each other. */
#ifndef RLK_BASE_H
#define RLK_BASE_H

#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes. */
struct rlk_slice {
	const char *data;
	size_t length;
};

enum rlk_value_type {
	RLK_NIL,
	RLK_INTEGER,
	RLK_STRING, /* bulk or simple */
	RLK_ERROR,
	RLK_ARRAY
};

/* One node of a server's reply. A reply is a run of nodes in the order in which they came: an array is followed by its
 * elements, each with its own, so that a flat array (all that the lock scripts answer) is node 0 and its elements. */
struct rlk_value {
	enum rlk_value_type type;
	int64_t integer;       /* the number, or how many elements the array has */
	struct rlk_slice text; /* the string's or error's bytes, valid until the next reply is asked for */
};

/* Writes a number in decimal, not terminated; returns how many of the (at most 20) bytes it took. */
static inline size_t rlk_decimal(char *out, int64_t number)
{
	char digits[20];
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	size_t count = 0, length = 0;
	do {
		digits[count++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0) {
		out[length++] = '-';
	}
	while (count > 0) {
		out[length++] = digits[--count];
	}
	return length;
}

/* Texts of servers and paths may have anything in them, and may end up on a terminal. */
static inline void rlk_make_printable(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f) {
			text[i] = '?';
		}
	}
}

/* A moment that never comes. Moments are milliseconds on the monotonic clock that also counts suspended time. */
#define RLK_NEVER INT64_MAX

#endif
