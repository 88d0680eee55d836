/* SPDX-License-Identifier: MIT
 *
 * Names, labels and tokens may be any bytes; here they become text that can't disturb a terminal or a line. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>

/* How many bytes the first character takes, or 0 when the bytes are no UTF-8 (Unicode, table 3-7). */
size_t utf8_length(const unsigned char *bytes, size_t size)
{
	unsigned char low = 0x80, high = 0xBF;
	size_t length;

	if (size == 0) {
		return 0;
	}
	if (bytes[0] < 0x80) {
		return 1;
	}
	if (bytes[0] >= 0xC2 && bytes[0] <= 0xDF) {
		length = 2;
	} else if (bytes[0] >= 0xE0 && bytes[0] <= 0xEF) {
		length = 3;
		low = bytes[0] == 0xE0 ? 0xA0 : low;
		high = bytes[0] == 0xED ? 0x9F : high;
	} else if (bytes[0] >= 0xF0 && bytes[0] <= 0xF4) {
		length = 4;
		low = bytes[0] == 0xF0 ? 0x90 : low;
		high = bytes[0] == 0xF4 ? 0x8F : high;
	} else {
		return 0;
	}
	for (size_t i = 1; i < length; i++) {
		if (i >= size || bytes[i] < low || bytes[i] > high) {
			return 0;
		}
		low = 0x80;
		high = 0xBF;
	}
	return length;
}

static void print_escaped(FILE *out, unsigned char byte)
{
	switch (byte) {
	case '\n':
		fputs("\\n", out);
		break;
	case '\t':
		fputs("\\t", out);
		break;
	case '\r':
		fputs("\\r", out);
		break;
	case '\\':
		fputs("\\\\", out);
		break;
	default:
		fprintf(out, "\\x%02x", byte);
	}
}

void print_visible(FILE *out, const void *data, size_t size)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i < size;) {
		size_t length = utf8_length(bytes + i, size - i);
		bool is_control =
		        bytes[i] < 0x20 || bytes[i] == 0x7F || (bytes[i] == 0xC2 && length == 2 && bytes[i + 1] < 0xA0);
		if (length == 0 || is_control || bytes[i] == '\\') {
			print_escaped(out, bytes[i]);
			/* The second half of a control character of two bytes is no character by itself and gets
			 * escaped next. */
			i++;
			continue;
		}
		fwrite(bytes + i, 1, length, out);
		i += length;
	}
}

char *visible_text(const void *bytes, size_t size)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (out == NULL) {
		return NULL;
	}
	print_visible(out, bytes, size);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

void print_duration(FILE *out, int64_t duration_ms)
{
	if (duration_ms < 1000) {
		fprintf(out, "%" PRId64 " ms", duration_ms);
	} else if (duration_ms < 120000) {
		fprintf(out, "%" PRId64 " s", duration_ms / 1000);
	} else if (duration_ms < 7200000) {
		fprintf(out, "%" PRId64 " min %" PRId64 " s", duration_ms / 60000, duration_ms / 1000 % 60);
	} else {
		fprintf(out, "%" PRId64 " h %" PRId64 " min", duration_ms / 3600000, duration_ms / 60000 % 60);
	}
}
