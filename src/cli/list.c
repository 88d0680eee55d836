/* SPDX-License-Identifier: MIT
 *
 * redis-lock list: what is locked, sorted by name. The server's walk may show a name twice, so all are gathered first.
 */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct name {
	char *bytes;
	size_t length;
};

struct names {
	struct name *items;
	size_t count, capacity;
};

static int compare(const void *left, const void *right)
{
	const struct name *a = left, *b = right;
	int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);
	return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

static bool append(struct names *names, const char *bytes, size_t length)
{
	if (names->count == names->capacity) {
		size_t capacity = names->capacity > 0 ? names->capacity * 2 : 64;
		struct name *items = realloc(names->items, capacity * sizeof *items);
		if (items == NULL) {
			return false;
		}
		names->items = items;
		names->capacity = capacity;
	}
	char *copy = malloc(length > 0 ? length : 1);
	if (copy == NULL) {
		return false;
	}
	memcpy(copy, bytes, length);
	names->items[names->count++] = (struct name) { copy, length };
	return true;
}

static int32_t gather(redislock_client *client, const char *pattern, struct names *names)
{
	redislock_list *list;
	const char *bytes;
	size_t length;
	int32_t status = redislock_list_new(client, pattern, &list);

	if (status != REDISLOCK_OK) {
		return status;
	}
	while ((status = redislock_list_next(list, &bytes, &length)) == REDISLOCK_OK) {
		if (!append(names, bytes, length)) {
			status = REDISLOCK_NO_MEMORY;
			break;
		}
	}
	redislock_list_free(list);
	if (names->count > 0) {
		qsort(names->items, names->count, sizeof names->items[0], compare);
	}
	return status == REDISLOCK_END ? REDISLOCK_OK : status;
}

static void print_line(const struct name *name, const redislock_info *info)
{
	int64_t remaining = redislock_info_remaining_ms(info);

	print_visible(stdout, name->bytes, name->length);
	putchar('\t');
	print_holder(stdout, info);
	putchar('\t');
	if (remaining == REDISLOCK_NO_EXPIRY) {
		fputs("without an end", stdout);
	} else {
		print_duration(stdout, remaining);
	}
	printf("\t%" PRId64 "\n", redislock_info_waiters(info));
}

static int32_t print_all(redislock_client *client, const struct names *names, bool json)
{
	bool first = true;

	for (size_t i = 0; i < names->count; i++) {
		const struct name *name = &names->items[i];
		redislock_info *info;
		if (i > 0 && compare(name, name - 1) == 0) {
			continue;
		}
		int32_t status = redislock_info_get(client, name->bytes, name->length, &info);
		if (status == REDISLOCK_WRONG_TYPE) {
			continue; /* meanwhile it became something else */
		}
		if (status != REDISLOCK_OK) {
			return status;
		}
		if (redislock_info_locked(info) && json) {
			fputs(first ? "[" : ",\n ", stdout);
			json_info(stdout, name->bytes, name->length, info);
			first = false;
		} else if (redislock_info_locked(info)) {
			print_line(name, info);
		}
		redislock_info_free(info);
	}
	if (json) {
		puts(first ? "[]" : "]");
	}
	return REDISLOCK_OK;
}

int list_command(const struct options *options)
{
	struct names names = { 0 };
	redislock_client *client;
	int exit_status = server_open(options, &client);

	if (exit_status != 0) {
		return exit_status;
	}
	int32_t status = gather(client, options->operands[0], &names);
	if (status == REDISLOCK_OK) {
		status = print_all(client, &names, options->json);
	}
	if (status != REDISLOCK_OK) {
		exit_status = report_failure("can't list the locks", status, client, NULL);
	}
	for (size_t i = 0; i < names.count; i++) {
		free(names.items[i].bytes);
	}
	free(names.items);
	redislock_client_free(client);
	return exit_status;
}
