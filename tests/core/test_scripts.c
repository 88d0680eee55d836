/* SPDX-License-Identifier: MIT
 *
 * The scripts' commands, word by word (protocol 3). What is in the scripts is tested with a server. */
#include "machine.h"
#include "sha1.h"

static const struct rlk_names names = { { "foo", 3 }, { "queue", 5 }, { "state", 5 }, { "channel", 7 }, false };

static bool equals(struct rlk_slice word, const char *text)
{
	return word.length == strlen(text) && memcmp(word.data, text, word.length) == 0;
}

static bool says(enum rlk_script script, const char *text)
{
	struct rlk_slice rest = rlk_script_sources[script].text;
	size_t length = strlen(text);
	for (size_t i = 0; i + length <= rest.length; i++) {
		if (memcmp(rest.data + i, text, length) == 0) {
			return true;
		}
	}
	return false;
}

static void digest_is_that_of_the_text(void **state)
{
	char hex[41];
	(void)state;
	sha1_hex("abc", 3, hex);
	assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
	for (int script = 0; script < RLK_SCRIPTS; script++) {
		const struct rlk_script_source *source = &rlk_script_sources[script];
		sha1_hex(source->text.data, source->text.length, hex);
		assert_true(equals(source->sha1, hex));
	}
}

static void texts_stand_in_the_order_of_their_numbers(void **state)
{
	static const char *const own[RLK_SCRIPTS] = {
		[RLK_LOCK] = "mode == '2'",
		[RLK_UNLOCK] = "return hand_over(ARGV[2] == '1')",
		[RLK_CANCEL] = "ARGV[1] .. ' ' .. ARGV[3] .. ' ' .. ARGV[2]",
		[RLK_BREAK] = "ARGV[1] ~= '' and owner ~= ARGV[1]",
		[RLK_EXTEND] = "lease(ARGV[2], '1')",
		[RLK_RENEW] = "redis.call('PEXPIRE', KEYS[1], ttl)",
		[RLK_INFO] = "call('ZCARD', queue), tonumber(fence), issued",
	};
	(void)state;
	for (int script = 0; script < RLK_SCRIPTS; script++) {
		for (int other = 0; other < RLK_SCRIPTS; other++) {
			assert_int_equal(says((enum rlk_script)other, own[script]), other == script);
		}
	}
}

static void texts_are_without_comments_and_with_what_they_share(void **state)
{
	(void)state;
	for (int script = 0; script < RLK_SCRIPTS; script++) {
		assert_false(says((enum rlk_script)script, "--"));
		assert_false(says((enum rlk_script)script, "\n\n"));
		assert_int_equal(says((enum rlk_script)script, "local function read_state()"), script != RLK_RENEW);
	}
}

static void renewal_names_the_lock_alone_and_all_else_three_keys(void **state)
{
	(void)state;
	for (int script = 0; script < RLK_SCRIPTS; script++) {
		struct rlk_words words;
		rlk_words_begin(&words, (enum rlk_script)script, false, &names);
		assert_words(&words, script == RLK_RENEW ? "1|foo" : "3|foo|queue|state");
	}
}

static void in_a_cluster_the_name_comes_once_more(void **state)
{
	struct rlk_names sharded = names;
	(void)state;
	sharded.sharded = true;
	for (int script = 0; script < RLK_SCRIPTS; script++) {
		struct rlk_words words;
		rlk_words_begin(&words, (enum rlk_script)script, false, &sharded);
		assert_words(&words, script == RLK_RENEW ? "1|foo" : "4|foo|queue|state|foo");
		rlk_words_begin_alone(&words, (enum rlk_script)script, false, &sharded);
		assert_words(&words, "1|foo");
	}
}

static void script_goes_by_its_digest_or_as_a_whole(void **state)
{
	(void)state;
	for (int script = 0; script < RLK_SCRIPTS; script++) {
		const struct rlk_script_source *source = &rlk_script_sources[script];
		struct rlk_words words;
		rlk_words_begin(&words, (enum rlk_script)script, false, &names);
		assert_true(equals(words.word[0], "EVALSHA"));
		assert_ptr_equal(words.word[1].data, source->sha1.data);
		assert_int_equal(words.word[1].length, 40);
		rlk_words_begin(&words, (enum rlk_script)script, true, &names);
		assert_true(equals(words.word[0], "EVAL"));
		assert_ptr_equal(words.word[1].data, source->text.data);
		assert_int_equal(words.word[1].length, source->text.length);
	}
}

static void numbers_are_written_with_all_their_digits(void **state)
{
	struct rlk_words words = { .count = 0 };
	(void)state;
	rlk_words_add(&words, RLK_LITERAL("-"));
	rlk_words_add(&words, RLK_LITERAL("-"));
	rlk_words_add_number(&words, -1);
	rlk_words_add_number(&words, 0);
	rlk_words_add_number(&words, (INT64_C(1) << 53) - 1);
	rlk_words_add_number(&words, INT64_MIN);
	assert_words(&words, "-1|0|9007199254740991|-9223372036854775808");
}

/* A request may be written again, with other words, into the same place. */
static void words_begin_anew(void **state)
{
	struct rlk_words words;
	(void)state;
	rlk_words_begin(&words, RLK_RENEW, false, &names);
	for (int64_t i = 0; i < RLK_NUMBERS; i++) {
		rlk_words_add_number(&words, i);
	}
	rlk_words_begin(&words, RLK_RENEW, false, &names);
	rlk_words_add_number(&words, 5);
	assert_words(&words, "1|foo|5");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(digest_is_that_of_the_text),
		cmocka_unit_test(texts_stand_in_the_order_of_their_numbers),
		cmocka_unit_test(texts_are_without_comments_and_with_what_they_share),
		cmocka_unit_test(renewal_names_the_lock_alone_and_all_else_three_keys),
		cmocka_unit_test(in_a_cluster_the_name_comes_once_more),
		cmocka_unit_test(script_goes_by_its_digest_or_as_a_whole),
		cmocka_unit_test(numbers_are_written_with_all_their_digits),
		cmocka_unit_test(words_begin_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
