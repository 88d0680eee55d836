/* SPDX-License-Identifier: MIT
 *
 * The words of a script's command (protocol 3). The scripts themselves are in scripts/. */
#include "core.h"

void rlk_words_add(struct rlk_words *words, struct rlk_slice word)
{
	words->word[words->count++] = word;
}

void rlk_words_add_number(struct rlk_words *words, int64_t number)
{
	char *digits = words->digits[words->numbers++];
	rlk_words_add(words, (struct rlk_slice) { digits, rlk_decimal(digits, number) });
}

static void begin(struct rlk_words *words, enum rlk_script script, bool whole)
{
	const struct rlk_script_source *source = &rlk_script_sources[script];
	words->count = 0;
	words->numbers = 0;
	rlk_words_add(words, whole ? RLK_LITERAL("EVAL") : RLK_LITERAL("EVALSHA"));
	rlk_words_add(words, whole ? source->text : source->sha1);
}

void rlk_words_begin_alone(struct rlk_words *words, enum rlk_script script, bool whole, const struct rlk_names *names)
{
	begin(words, script, whole);
	rlk_words_add(words, RLK_LITERAL("1"));
	rlk_words_add(words, names->name);
}

void rlk_words_begin(struct rlk_words *words, enum rlk_script script, bool whole, const struct rlk_names *names)
{
	if (script == RLK_RENEW) {
		/* A slot that moves must not end a lease (protocol 10). */
		rlk_words_begin_alone(words, script, whole, names);
		return;
	}
	begin(words, script, whole);
	rlk_words_add(words, names->sharded ? RLK_LITERAL("4") : RLK_LITERAL("3"));
	rlk_words_add(words, names->name);
	rlk_words_add(words, names->queue);
	rlk_words_add(words, names->state);
	if (names->sharded) {
		/* Once more: so the scripts know. */
		rlk_words_add(words, names->name);
	}
}
