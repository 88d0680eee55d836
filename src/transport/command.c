/* SPDX-License-Identifier: MIT
 *
 * Commands as bytes, straight into the buffer that is sent: on the way of every lock, hence without an allocation in
 * the long run and without a formatter. */
#include "transport_internal.h"

#include <stdlib.h>
#include <string.h>

/* What a word's header and end can take: $, 20 digits, twice CR and LF. */
#define WORD_OVERHEAD 25
#define FIRST_CAPACITY 4096
#define KEPT_CAPACITY 65536

bool rlk_output_reserve(struct rlk_output *output, size_t size)
{
	size_t used = output->end - output->start;
	size_t capacity = output->capacity > 0 ? output->capacity : FIRST_CAPACITY;
	char *larger;

	if (size <= output->capacity - output->end) {
		return true;
	}
	if (output->start > 0) {
		memmove(output->data, output->data + output->start, used);
		output->start = 0;
		output->end = used;
	}
	if (size <= output->capacity - output->end) {
		return true;
	}
	while (capacity - used < size) {
		if (capacity > SIZE_MAX / 2) {
			return false;
		}
		capacity *= 2;
	}
	larger = realloc(output->data, capacity);
	if (larger == NULL) {
		return false;
	}
	output->data = larger;
	output->capacity = capacity;
	return true;
}

static inline char *put_header(char *at, char type, size_t number)
{
	*at++ = type;
	/* Nearly all are this short. */
	if (number < 10) {
		*at++ = (char)('0' + number);
	} else if (number < 100) {
		*at++ = (char)('0' + number / 10);
		*at++ = (char)('0' + number % 10);
	} else {
		at += rlk_decimal(at, (int64_t)number);
	}
	*at++ = '\r';
	*at++ = '\n';
	return at;
}

bool rlk_output_append(struct rlk_output *output, const struct rlk_slice *words, size_t count)
{
	size_t size = WORD_OVERHEAD;
	char *at;

	for (size_t i = 0; i < count; i++) {
		size += words[i].length + WORD_OVERHEAD;
	}
	if (!rlk_output_reserve(output, size)) {
		return false;
	}
	at = put_header(output->data + output->end, '*', count);
	for (size_t i = 0; i < count; i++) {
		at = put_header(at, '$', words[i].length);
		if (words[i].length > 0) {
			memcpy(at, words[i].data, words[i].length);
			at += words[i].length;
		}
		*at++ = '\r';
		*at++ = '\n';
	}
	output->end = (size_t)(at - output->data);
	return true;
}

void rlk_output_empty(struct rlk_output *output)
{
	if (output->capacity > KEPT_CAPACITY) {
		free(output->data);
		output->data = NULL;
		output->capacity = 0;
	}
	output->start = output->end = 0;
}

void rlk_output_wipe(struct rlk_output *output)
{
	if (output->data != NULL) {
		explicit_bzero(output->data, output->capacity);
	}
	output->start = output->end = 0;
}
