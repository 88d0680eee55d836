/* SPDX-License-Identifier: MIT
 *
 * Replies by hiredis' parser, which calls back for each node. The nodes of a reply are put into one array and its
 * bytes into one buffer, both kept for the next: in the long run nothing is allocated. What a server may make us keep
 * is bounded here and nowhere else.
 *
 * The parser holds a node as its place plus one, so that the array may move. */
#include "transport_internal.h"

#include <redislock/redislock.h>

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if HIREDIS_MAJOR >= 1
#define CURRENT_TASK(parser) ((parser)->task[(parser)->ridx])
typedef size_t element_count;
#else
#define CURRENT_TASK(parser) (&(parser)->rstack[(parser)->ridx])
typedef int element_count;
#endif

static void fail(struct rlk_reader *reader, int32_t status, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

static void fail(struct rlk_reader *reader, int32_t status, const char *format, ...)
{
	va_list arguments;

	if (reader->status != REDISLOCK_OK) {
		return;
	}
	reader->status = status;
	va_start(arguments, format);
	vsnprintf(reader->text, sizeof reader->text, format, arguments);
	va_end(arguments);
}

/* Makes room for more items in a list that begins with room for some; false if out of memory. */
static bool grow(void **list, size_t *capacity, size_t needed, size_t item)
{
	size_t wanted = *capacity > 0 ? *capacity : 1024 / item;
	void *larger;

	while (wanted < needed) {
		wanted *= 2;
	}
	larger = realloc(*list, wanted * item);
	if (larger == NULL) {
		return false;
	}
	*list = larger;
	*capacity = wanted;
	return true;
}

static bool has_room(struct rlk_reader *reader, size_t bytes)
{
	if ((reader->node_count + 1) * sizeof *reader->nodes + reader->byte_count + bytes > RLK_REPLY_SIZE) {
		fail(reader, REDISLOCK_PROTOCOL, "the server sent a reply of more than %d KiB", RLK_REPLY_SIZE / 1024);
		return false;
	}
	if (reader->node_count == reader->node_capacity) {
		void *nodes = reader->nodes;
		if (!grow(&nodes, &reader->node_capacity, reader->node_count + 1, sizeof *reader->nodes)) {
			return false;
		}
		reader->nodes = nodes;
	}
	if (bytes > reader->byte_capacity - reader->byte_count) {
		void *all = reader->bytes;
		if (!grow(&all, &reader->byte_capacity, reader->byte_count + bytes, 1)) {
			return false;
		}
		reader->bytes = all;
	}
	return true;
}

static void *add(struct rlk_reader *reader, enum rlk_value_type type, int64_t integer, size_t length)
{
	reader->nodes[reader->node_count] =
	        (struct rlk_value) { .type = type, .integer = integer, .text = { NULL, length } };
	/* NOLINTNEXTLINE(performance-no-int-to-ptr) */
	return (void *)(uintptr_t)++reader->node_count;
}

static void *refuse_type(struct rlk_reader *reader)
{
	fail(reader, REDISLOCK_PROTOCOL, "the server sent a type of reply that was not asked for (RESP3)");
	return NULL;
}

static void *create_string(const redisReadTask *task, char *text, size_t length)
{
	struct rlk_reader *reader = task->privdata;
	enum rlk_value_type type = task->type == REDIS_REPLY_ERROR ? RLK_ERROR : RLK_STRING;
	size_t offset;

	if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS && task->type != REDIS_REPLY_ERROR) {
		return refuse_type(reader);
	}
	if (length > RLK_REPLY_STRING) {
		fail(reader, REDISLOCK_PROTOCOL, "the server sent a string of more than %d KiB",
		     RLK_REPLY_STRING / 1024);
		return NULL;
	}
	/* The parser leaves out these two, unseen. */
	if (task->type == REDIS_REPLY_STRING && (text[length] != '\r' || text[length + 1] != '\n')) {
		fail(reader, REDISLOCK_PROTOCOL, "the server sent a string that is longer than it said");
		return NULL;
	}
	if (!has_room(reader, length)) {
		return NULL;
	}
	offset = reader->byte_count;
	if (length > 0) {
		memcpy(reader->bytes + offset, text, length);
	}
	reader->byte_count += length;
	return add(reader, type, (int64_t)offset, length);
}

static void *create_array(const redisReadTask *task, element_count elements)
{
	struct rlk_reader *reader = task->privdata;
	int depth = 1;

	for (const redisReadTask *parent = task->parent; parent != NULL; parent = parent->parent) {
		depth++;
	}
	if (task->type != REDIS_REPLY_ARRAY) {
		return refuse_type(reader);
	}
	if (depth > RLK_REPLY_DEPTH) {
		fail(reader, REDISLOCK_PROTOCOL, "the server sent arrays nested deeper than %d", RLK_REPLY_DEPTH);
		return NULL;
	}
	if (elements > RLK_REPLY_ELEMENTS) {
		fail(reader, REDISLOCK_PROTOCOL, "the server sent an array of more than %d elements",
		     RLK_REPLY_ELEMENTS);
		return NULL;
	}
	return has_room(reader, 0) ? add(reader, RLK_ARRAY, (int64_t)elements, 0) : NULL;
}

static void *create_integer(const redisReadTask *task, long long integer)
{
	struct rlk_reader *reader = task->privdata;

	return has_room(reader, 0) ? add(reader, RLK_INTEGER, integer, 0) : NULL;
}

static void *create_nil(const redisReadTask *task)
{
	struct rlk_reader *reader = task->privdata;

	if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_ARRAY) {
		return refuse_type(reader);
	}
	return has_room(reader, 0) ? add(reader, RLK_NIL, 0, 0) : NULL;
}

#if HIREDIS_MAJOR >= 1
/* NOLINTNEXTLINE(readability-non-const-parameter): the parser's own type */
static void *create_double(const redisReadTask *task, double number, char *text, size_t length)
{
	(void)number;
	(void)text;
	(void)length;
	return refuse_type(task->privdata);
}

static void *create_bool(const redisReadTask *task, int truth)
{
	(void)truth;
	return refuse_type(task->privdata);
}
#endif

/* Not const, as the parser wants it; nobody writes to it. */
static redisReplyObjectFunctions functions = {
	.createString = create_string,
	.createArray = create_array,
	.createInteger = create_integer,
	.createNil = create_nil,
#if HIREDIS_MAJOR >= 1
	.createDouble = create_double,
	.createBool = create_bool,
#endif
};

bool rlk_reader_start(struct rlk_reader *reader)
{
	rlk_reader_stop(reader);
	reader->parser = redisReaderCreateWithFunctions(&functions);
	if (reader->parser == NULL) {
		return false;
	}
	reader->parser->privdata = reader;
	/* Else it would exchange a large buffer for a small one, and older releases abort when that fails. */
	reader->parser->maxbuf = 0;
	return true;
}

void rlk_reader_stop(struct rlk_reader *reader)
{
	if (reader->parser != NULL) {
		redisReaderFree(reader->parser);
	}
	reader->parser = NULL;
	reader->node_count = 0;
	reader->byte_count = 0;
	reader->whole = false;
	reader->status = REDISLOCK_OK;
	reader->text[0] = '\0';
}

void rlk_reader_free(struct rlk_reader *reader)
{
	rlk_reader_stop(reader);
	free(reader->nodes);
	free(reader->bytes);
}

void rlk_reader_wipe(struct rlk_reader *reader)
{
	if (reader->parser != NULL && reader->parser->buf != NULL) {
		explicit_bzero(reader->parser->buf, reader->parser->pos);
	}
	if (reader->bytes != NULL) {
		explicit_bzero(reader->bytes, reader->byte_capacity);
	}
}

static size_t unread(const struct rlk_reader *reader)
{
	return reader->parser->len - reader->parser->pos;
}

bool rlk_reader_full(const struct rlk_reader *reader)
{
	return unread(reader) >= RLK_REPLY_UNREAD;
}

static void fail_by_parser(struct rlk_reader *reader)
{
	if (reader->parser->err == REDIS_ERR_PROTOCOL) {
		fail(reader, REDISLOCK_PROTOCOL, "the server doesn't talk like a Redis server: %s",
		     reader->parser->errstr);
	} else {
		fail(reader, REDISLOCK_NO_MEMORY, "out of memory for a reply");
	}
}

bool rlk_reader_feed(struct rlk_reader *reader, const char *data, size_t length)
{
	if (reader->status == REDISLOCK_OK && redisReaderFeed(reader->parser, data, length) != REDIS_OK) {
		fail_by_parser(reader);
	}
	return reader->status == REDISLOCK_OK;
}

/* The parser waits for the end of a string, however long. It has read the type, and stands at the length. */
static bool waits_for_too_much(const struct rlk_reader *reader)
{
	const redisReader *parser = reader->parser;
	size_t announced = 0;

	if (unread(reader) > RLK_REPLY_STRING + sizeof "$131072\r\n\r\n") {
		return true;
	}
	if (parser->ridx < 0 || CURRENT_TASK(parser)->type != REDIS_REPLY_STRING) {
		return false;
	}
	for (size_t at = parser->pos; at < parser->len && parser->buf[at] >= '0' && parser->buf[at] <= '9'; at++) {
		announced = announced * 10 + (size_t)(parser->buf[at] - '0');
		if (announced > RLK_REPLY_STRING) {
			return true;
		}
	}
	return false;
}

const struct rlk_value *rlk_reader_next(struct rlk_reader *reader, size_t *count)
{
	void *root;

	*count = 0;
	if (reader->parser == NULL || reader->status != REDISLOCK_OK || unread(reader) == 0) {
		return NULL;
	}
	if (reader->whole) {
		reader->whole = false;
		reader->node_count = 0;
		reader->byte_count = 0;
	}
	if (redisReaderGetReply(reader->parser, &root) != REDIS_OK) {
		fail_by_parser(reader);
		return NULL;
	}
	if (root == NULL) {
		if (waits_for_too_much(reader)) {
			fail(reader, REDISLOCK_PROTOCOL, "the server sent a string of more than %d KiB",
			     RLK_REPLY_STRING / 1024);
		}
		return NULL;
	}
	/* The bytes stay where they are from now on, until the next reply. */
	for (size_t i = 0; i < reader->node_count; i++) {
		struct rlk_value *node = &reader->nodes[i];
		if (node->type == RLK_STRING || node->type == RLK_ERROR) {
			node->text.data = node->text.length > 0 ? reader->bytes + node->integer : "";
			node->integer = 0;
		}
	}
	reader->whole = true;
	*count = reader->node_count;
	return reader->nodes;
}
