/* SPDX-License-Identifier: MIT
 *
 * Replies: any bytes, whole and in pieces. What is read must hang together, and must not depend on the pieces. */
#include "core/core.h"
#include "transport/transport_internal.h"

#include <redislock/redislock.h>

#include <stdlib.h>
#include <string.h>

enum { REPLIES = 64 };

/* What became of the bytes: a sum over each reply, and how it ended. */
struct outcome {
	uint64_t sum[REPLIES];
	size_t count;
	int32_t status;
};

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void mix(uint64_t *sum, const void *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		*sum = (*sum ^ ((const uint8_t *)data)[i]) * 1099511628211u;
}

/* The node at `at` with all that is in it; answers the place behind. */
static size_t walk(const struct rlk_value *nodes, size_t count, size_t at, int depth)
{
	size_t next = at + 1;

	require(at < count);
	if (nodes[at].type == RLK_ARRAY) {
		require(depth < RLK_REPLY_DEPTH && nodes[at].integer >= 0 && nodes[at].integer <= RLK_REPLY_ELEMENTS);
		for (int64_t i = 0; i < nodes[at].integer; i++)
			next = walk(nodes, count, next, depth + 1);
	} else if (nodes[at].type == RLK_STRING || nodes[at].type == RLK_ERROR) {
		require(nodes[at].text.data != NULL && nodes[at].text.length <= RLK_REPLY_STRING);
	}
	return next;
}

static void understand(const struct rlk_value *reply, size_t count)
{
	struct rlk_greeting greeting = { .steps = { RLK_GREET_AUTH, RLK_GREET_SELECT, RLK_GREET_NAME, RLK_GREET_ROLE },
		                         .count = 4 };
	struct rlk_answer answer = rlk_answer_parse(reply, count);
	enum rlk_remedy remedy;
	char text[208];

	require(answer.outcome <= RLK_MALFORMED);
	for (size_t i = 0; i < greeting.count; i++) {
		text[0] = '\0';
		require((rlk_greeting_answer(&greeting, reply, count, text, sizeof(text)) == REDISLOCK_OK) ==
		        (text[0] == '\0'));
	}
	if (reply[0].type == RLK_ERROR)
		require(rlk_error_status(reply[0].text, &remedy) < 0);
}

static uint64_t sum_of(const struct rlk_value *nodes, size_t count)
{
	uint64_t sum = 14695981039346656037u;

	for (size_t i = 0; i < count; i++) {
		mix(&sum, &nodes[i].type, sizeof(nodes[i].type));
		mix(&sum, &nodes[i].integer, sizeof(nodes[i].integer));
		mix(&sum, nodes[i].text.data, nodes[i].text.data != NULL ? nodes[i].text.length : 0);
	}
	return sum;
}

static void take_all(struct rlk_reader *reader, struct outcome *outcome)
{
	const struct rlk_value *reply;
	size_t count;

	while ((reply = rlk_reader_next(reader, &count)) != NULL) {
		require(walk(reply, count, 0, 0) == count);
		understand(reply, count);
		if (outcome->count < REPLIES)
			outcome->sum[outcome->count++] = sum_of(reply, count);
	}
	require((reader->status == REDISLOCK_OK) == (reader->text[0] == '\0'));
	outcome->status = reader->status;
}

static struct outcome read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
	struct rlk_reader reader;
	struct outcome outcome = { .count = 0 };

	memset(&reader, 0, sizeof(reader));
	require(rlk_reader_start(&reader));
	for (size_t at = 0; at < size && outcome.status == REDISLOCK_OK; at += piece) {
		size_t length = size - at < piece ? size - at : piece;
		/* Of its own, so that a sanitizer sees where it ends. */
		char *copy = malloc(length);
		require(copy != NULL);
		memcpy(copy, data + at, length);
		if (rlk_reader_feed(&reader, copy, length))
			take_all(&reader, &outcome);
		free(copy);
	}
	rlk_reader_free(&reader);
	return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	const struct outcome whole = read_in_pieces(data + 1, size - 1, size);
	const struct outcome pieces = read_in_pieces(data + 1, size - 1, 1 + data[0] % 16);

	require(whole.count == pieces.count && whole.status == pieces.status);
	require(memcmp(whole.sum, pieces.sum, whole.count * sizeof(whole.sum[0])) == 0);
	return 0;
}
