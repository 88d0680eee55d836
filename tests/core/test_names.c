/* SPDX-License-Identifier: MIT
 *
 * Keys and channels of a lock (protocol 2). */
#include "machine.h"

#include <stdlib.h>

static struct rlk_names names;
static char *buffer;

/* In a buffer of just the size that is asked for, so that a sanitizer sees a byte too many. */
static void build(const char *name, size_t length)
{
	free(buffer);
	buffer = malloc(rlk_names_size(name, length));
	assert_non_null(buffer);
	rlk_names_build(&names, buffer, name, length);
}

static int tear_down(void **state)
{
	(void)state;
	free(buffer);
	buffer = NULL;
	return 0;
}

static void assert_slice(struct rlk_slice slice, const char *text, size_t length)
{
	assert_int_equal(slice.length, length);
	assert_memory_equal(slice.data, text, length);
	assert_int_equal(slice.data[length], '\0');
}

#define assert_is(slice, text) assert_slice(slice, text, sizeof(text) - 1)

static bool same(struct rlk_slice a, struct rlk_slice b)
{
	return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

static void plain_name_is_its_own_tag(void **state)
{
	(void)state;
	build("foo", 3);
	assert_is(names.name, "foo");
	assert_is(names.queue, "rlock-queue:{foo}:foo");
	assert_is(names.state, "rlock-state:{foo}:foo");
	assert_is(names.channel, "rlock-channel:foo");
}

static void name_with_a_tag_keeps_it(void **state)
{
	(void)state;
	build("a{b}c", 5);
	assert_is(names.name, "a{b}c");
	assert_is(names.queue, "rlock-queue:{b}:a{b}c");
	assert_is(names.state, "rlock-state:{b}:a{b}c");
	assert_is(names.channel, "rlock-channel:a{b}c");
}

static void tag_is_between_the_first_brace_and_the_next_that_closes(void **state)
{
	static const struct {
		const char *name, *queue;
	} cases[] = {
		{ "{foo}", "rlock-queue:{foo}:{foo}" },
		{ "x}y{z}", "rlock-queue:{z}:x}y{z}" },
		{ "{a{b}c}", "rlock-queue:{a{b}:{a{b}c}" },
		{ "{a}{b}", "rlock-queue:{a}:{a}{b}" },
		{ "{x", "rlock-queue:{{x}:{x" },
		{ "x{", "rlock-queue:{x{}:x{" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		build(cases[i].name, strlen(cases[i].name));
		assert_slice(names.queue, cases[i].queue, strlen(cases[i].queue));
	}
}

/* A tag can't hold the }, and two names must not share a key: "a}:{a" and "{a}:a}:{a" would, were the name its own tag.
 */
static void name_with_a_closing_brace_and_no_tag_has_an_empty_one(void **state)
{
	static const struct {
		const char *name, *queue;
	} cases[] = {
		{ "}", "rlock-queue:{}:}" },
		{ "{}x", "rlock-queue:{}:{}x" },
		{ "{}{x}", "rlock-queue:{}:{}{x}" },
		{ "a}:{a", "rlock-queue:{}:a}:{a" },
		{ "{a}:a}:{a", "rlock-queue:{a}:{a}:a}:{a" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		build(cases[i].name, strlen(cases[i].name));
		assert_slice(names.queue, cases[i].queue, strlen(cases[i].queue));
	}
}

static void any_byte_may_be_in_a_name(void **state)
{
	(void)state;
	build("a\0b\n %s\xff", 8);
	assert_is(names.name, "a\0b\n %s\xff");
	assert_is(names.queue, "rlock-queue:{a\0b\n %s\xff}:a\0b\n %s\xff");
	assert_is(names.channel, "rlock-channel:a\0b\n %s\xff");
}

static void longest_name_fits(void **state)
{
	static char name[RLK_NAME_MAX];
	(void)state;
	memset(name, 'x', sizeof name);
	build(name, sizeof name);
	assert_slice(names.name, name, sizeof name);
	assert_int_equal(names.state.length, strlen("rlock-state:{}:") + 2 * sizeof name);
	/* The channel comes last, and its end is that of the buffer. */
	assert_ptr_equal(names.channel.data + names.channel.length + 1, buffer + rlk_names_size(name, sizeof name));
}

/* Every name of up to six of the characters that matter, one after the other. */
struct walk {
	char name[6];
	size_t length;
	unsigned count; /* of names so far */
};

static bool next_name(struct walk *walk)
{
	static const char alphabet[] = { 'a', '{', '}', ':' };
	unsigned rest = walk->count++, of_length = 4;
	for (walk->length = 1; rest >= of_length; walk->length++) {
		rest -= of_length;
		of_length *= 4;
	}
	for (size_t i = 0; i < walk->length && i < sizeof walk->name; i++) {
		walk->name[i] = alphabet[rest % 4];
		rest /= 4;
	}
	return walk->length <= sizeof walk->name;
}

/* What a cluster hashes of a key. */
static struct rlk_slice hashed(struct rlk_slice key)
{
	const char *open = memchr(key.data, '{', key.length);
	if (open != NULL) {
		const char *close = memchr(open, '}', key.length - (size_t)(open - key.data));
		if (close != NULL && close > open + 1) {
			return (struct rlk_slice) { open + 1, (size_t)(close - open - 1) };
		}
	}
	return key;
}

static void all_keys_of_a_lock_lie_in_one_slot(void **state)
{
	struct walk walk = { .count = 0 };
	(void)state;
	while (next_name(&walk)) {
		struct rlk_slice name = { walk.name, walk.length };
		bool tagged = hashed(name).length < name.length;
		if (!tagged && memchr(walk.name, '}', walk.length) != NULL) {
			continue; /* refused in a cluster */
		}
		build(walk.name, walk.length);
		assert_true(same(hashed(names.name), hashed(names.queue)));
		assert_true(same(hashed(names.name), hashed(names.state)));
	}
}

/* So no two names share a key either. */
static void state_key_tells_its_name(void **state)
{
	struct walk walk = { .count = 0 };
	struct rlk_slice name;
	(void)state;
	while (next_name(&walk)) {
		build(walk.name, walk.length);
		assert_true(rlk_names_of_state(names.state, &name));
		assert_slice(name, walk.name, walk.length);
	}
}

static void key_that_is_no_state_tells_no_name(void **state)
{
	static const char *const keys[] = {
		"",
		"foo",
		"rlock-state:",
		"rlock-state:foo",
		"rlock-state:{",
		"rlock-state:{foo",
		"rlock-state:{foo}",
		"rlock-state:{foo}:",
		"rlock-state:{foo}foo",
		"rlock-state:{foo}:bar",
		"rlock-state:{foo}:foo1",
		"rlock-state:{fo}:foo",
		"rlock-state:{foo}:a{bar}",
		"rlock-queue:{foo}:foo",
		"Rlock-state:{foo}:foo",
	};
	struct rlk_slice name;
	(void)state;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		assert_false(rlk_names_of_state((struct rlk_slice) { keys[i], strlen(keys[i]) }, &name));
	}
}

/* Numbers from a server's CLUSTER KEYSLOT. */
static void slot_is_that_of_the_tag(void **state)
{
	static const struct {
		const char *name;
		uint16_t slot;
	} known[] = {
		{ "foo", 12182 }, { "a{b}c", 3300 }, { "b", 3300 }, { "123456789", 12739 }, { "foo{bar", 15278 }
	};
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		build(known[i].name, strlen(known[i].name));
		assert_true(rlk_name_has_slot(known[i].name, strlen(known[i].name)));
		assert_int_equal(rlk_names_slot(&names), known[i].slot);
	}
}

static void name_with_a_closing_brace_and_no_tag_has_no_slot(void **state)
{
	(void)state;
	assert_false(rlk_name_has_slot("foo}", 4));
	assert_false(rlk_name_has_slot("{}foo", 5));
	assert_true(rlk_name_has_slot("{", 1));
}

static void inbox_in_a_cluster_has_the_tag_and_tells_its_name(void **state)
{
	struct rlk_slice client = RLK_LITERAL("0123456789abcdef0123456789abcdef");
	(void)state;
	build("a{b}c", 5);
	size_t size = rlk_names_inbox_size(&names);
	char *inbox = malloc(size);
	assert_non_null(inbox);
	assert_is(rlk_names_inbox(&names, inbox, client), "rlock-inbox:{b}:a{b}c:0123456789abcdef0123456789abcdef");
	assert_int_equal(strlen(inbox) + 1, size);
	struct rlk_slice name;
	assert_true(rlk_names_of_inbox((struct rlk_slice) { inbox, size - 1 }, &name));
	assert_true(same(name, names.name));
	assert_false(rlk_names_of_inbox((struct rlk_slice) { inbox, 30 }, &name));
	free(inbox);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_name_is_its_own_tag),
		cmocka_unit_test(name_with_a_tag_keeps_it),
		cmocka_unit_test(tag_is_between_the_first_brace_and_the_next_that_closes),
		cmocka_unit_test(name_with_a_closing_brace_and_no_tag_has_an_empty_one),
		cmocka_unit_test(any_byte_may_be_in_a_name),
		cmocka_unit_test(longest_name_fits),
		cmocka_unit_test(all_keys_of_a_lock_lie_in_one_slot),
		cmocka_unit_test(slot_is_that_of_the_tag),
		cmocka_unit_test(name_with_a_closing_brace_and_no_tag_has_no_slot),
		cmocka_unit_test(inbox_in_a_cluster_has_the_tag_and_tells_its_name),
		cmocka_unit_test(state_key_tells_its_name),
		cmocka_unit_test(key_that_is_no_state_tells_no_name),
	};
	return cmocka_run_group_tests(tests, NULL, tear_down);
}
