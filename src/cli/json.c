/* SPDX-License-Identifier: MIT
 *
 * What --json prints is always valid JSON in UTF-8. Bytes that are no UTF-8 appear as U+FFFD in the text, and the
 * exact bytes stand beside it in hexadecimal, under the same key with _hex at its end. */
#include "cli.h"

#include <inttypes.h>

static bool is_utf8(const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size;) {
		size_t length = utf8_length(bytes + i, size - i);
		if (length == 0) {
			return false;
		}
		i += length;
	}
	return true;
}

static void print_string(FILE *out, const unsigned char *bytes, size_t size)
{
	fputc('"', out);
	for (size_t i = 0; i < size;) {
		size_t length = utf8_length(bytes + i, size - i);
		if (length == 0) {
			fputs("\\ufffd", out);
			i++;
			continue;
		}
		if (bytes[i] == '"' || bytes[i] == '\\') {
			fprintf(out, "\\%c", bytes[i]);
		} else if (bytes[i] < 0x20 || bytes[i] == 0x7F) {
			fprintf(out, "\\u%04x", bytes[i]);
		} else {
			fwrite(bytes + i, 1, length, out);
		}
		i += length;
	}
	fputc('"', out);
}

void json_member(FILE *out, const char *key, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	fprintf(out, "\"%s\": ", key);
	print_string(out, bytes, size);
	if (is_utf8(bytes, size)) {
		return;
	}
	fprintf(out, ", \"%s_hex\": \"", key);
	for (size_t i = 0; i < size; i++) {
		fprintf(out, "%02x", bytes[i]);
	}
	fputc('"', out);
}

void json_info(FILE *out, const void *name, size_t length, const redislock_info *info)
{
	bool locked = redislock_info_locked(info) != 0;
	int64_t remaining = redislock_info_remaining_ms(info);
	const char *text;
	size_t size;

	fputc('{', out);
	json_member(out, "name", name, length);
	fprintf(out, ", \"locked\": %s, ", locked ? "true" : "false");
	if (locked) {
		text = redislock_info_token(info, &size);
		json_member(out, "token", text, size);
		text = redislock_info_owner(info, &size);
		fputs(", ", out);
		json_member(out, "owner", text, size);
	} else {
		fputs("\"token\": null, \"owner\": null", out);
	}
	if (remaining == REDISLOCK_NO_EXPIRY) {
		fputs(", \"remaining_ms\": null", out);
	} else {
		fprintf(out, ", \"remaining_ms\": %" PRId64, remaining);
	}
	fprintf(out, ", \"waiters\": %" PRId64 ", \"fence\": %" PRIu64 "}", redislock_info_waiters(info),
	        redislock_info_fence(info));
}
