/* SPDX-License-Identifier: MIT
 *
 * Keys and channels of a lock (protocol 2). All keys of a name lie in one slot, and no two names share one. */
#include "core.h"

#include <string.h>

#define QUEUE_PREFIX "rlock-queue:"
#define CHANNEL_PREFIX "rlock-channel:"

/* The hash tag as a cluster finds it: what is between the first { and the next }, if anything; else the whole name. One
 * with a } can't be a tag, and has none: it is refused in a cluster, and elsewhere its keys must not be another's. */
static struct rlk_slice tag_of(const char *name, size_t length)
{
	const char *open = memchr(name, '{', length);
	if (open != NULL) {
		const char *tag = open + 1;
		const char *end = memchr(tag, '}', length - (size_t)(tag - name));
		if (end != NULL && end > tag) {
			return (struct rlk_slice) { tag, (size_t)(end - tag) };
		}
	}
	return (struct rlk_slice) { name, memchr(name, '}', length) == NULL ? length : 0 };
}

size_t rlk_names_size(const char *name, size_t length)
{
	size_t tagged = tag_of(name, length).length + length + sizeof "{}:";
	return (length + 1) + (sizeof QUEUE_PREFIX - 1 + tagged) + (sizeof RLK_STATE_PREFIX - 1 + tagged) +
	       (sizeof CHANNEL_PREFIX + length);
}

static char *put(char *at, const void *bytes, size_t length)
{
	memcpy(at, bytes, length);
	return at + length;
}

static char *finish(struct rlk_slice *slice, const char *start, char *end)
{
	*end = '\0';
	*slice = (struct rlk_slice) { start, (size_t)(end - start) };
	return end + 1;
}

static char *put_tagged(struct rlk_slice *slice, char *start, struct rlk_slice prefix, struct rlk_slice tag,
                        struct rlk_slice name)
{
	char *at = put(start, prefix.data, prefix.length);
	*at++ = '{';
	at = put(at, tag.data, tag.length);
	*at++ = '}';
	*at++ = ':';
	at = put(at, name.data, name.length);
	return finish(slice, start, at);
}

void rlk_names_build(struct rlk_names *names, char *buffer, const char *name, size_t length)
{
	struct rlk_slice whole = { name, length };
	struct rlk_slice tag = tag_of(name, length);
	names->sharded = false;
	char *at = finish(&names->name, buffer, put(buffer, name, length));
	at = put_tagged(&names->queue, at, RLK_LITERAL(QUEUE_PREFIX), tag, whole);
	at = put_tagged(&names->state, at, RLK_LITERAL(RLK_STATE_PREFIX), tag, whole);
	finish(&names->channel, at, put(put(at, CHANNEL_PREFIX, sizeof CHANNEL_PREFIX - 1), name, length));
}

bool rlk_name_has_slot(const char *name, size_t length)
{
	return tag_of(name, length).length > 0;
}

/* CRC-16 as XMODEM has it. */
uint16_t rlk_names_slot(const struct rlk_names *names)
{
	struct rlk_slice tag = tag_of(names->name.data, names->name.length);
	unsigned crc = 0;
	for (size_t i = 0; i < tag.length; i++) {
		crc ^= (unsigned)(uint8_t)tag.data[i] << 8;
		for (int bit = 0; bit < 8; bit++) {
			crc = crc << 1 ^ ((crc & 0x8000) != 0 ? 0x1021 : 0);
		}
	}
	return crc % RLK_SLOTS;
}

size_t rlk_names_inbox_size(const struct rlk_names *names)
{
	return sizeof RLK_INBOX_PREFIX + names->queue.length - (sizeof QUEUE_PREFIX - 1) + 1 + RLK_CLIENT_LENGTH;
}

struct rlk_slice rlk_names_inbox(const struct rlk_names *names, char *buffer, struct rlk_slice client)
{
	struct rlk_slice inbox;
	size_t prefix = sizeof QUEUE_PREFIX - 1;
	char *at = put(buffer, RLK_INBOX_PREFIX, sizeof RLK_INBOX_PREFIX - 1);
	at = put(at, names->queue.data + prefix, names->queue.length - prefix);
	*at++ = ':';
	finish(&inbox, buffer, put(at, client.data, client.length));
	return inbox;
}

/* What follows the tag of a key or channel that begins so; false if it is none. */
static bool name_behind(struct rlk_slice key, struct rlk_slice start, struct rlk_slice *name)
{
	if (key.length < start.length || memcmp(key.data, start.data, start.length) != 0) {
		return false;
	}
	const char *tag = key.data + start.length, *end = key.data + key.length;
	const char *close = memchr(tag, '}', (size_t)(end - tag));
	if (close == NULL || end - close < 3 || close[1] != ':') {
		return false;
	}
	struct rlk_slice candidate = { close + 2, (size_t)(end - close - 2) };
	struct rlk_slice its_tag = tag_of(candidate.data, candidate.length);
	if (its_tag.length != (size_t)(close - tag) || memcmp(its_tag.data, tag, its_tag.length) != 0) {
		return false;
	}
	*name = candidate;
	return true;
}

bool rlk_names_of_state(struct rlk_slice key, struct rlk_slice *name)
{
	return name_behind(key, RLK_LITERAL(RLK_STATE_PREFIX "{"), name);
}

bool rlk_names_of_inbox(struct rlk_slice channel, struct rlk_slice *name)
{
	size_t client = RLK_CLIENT_LENGTH + 1;
	struct rlk_slice rest = { channel.data, channel.length > client ? channel.length - client : 0 };
	return name_behind(rest, RLK_LITERAL(RLK_INBOX_PREFIX "{"), name);
}
