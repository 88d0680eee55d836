/* SPDX-License-Identifier: MIT
 *
 * The command line of redis-lock: words that end with a zero byte, the first of which is the command. What is taken is
 * within its limits; what is refused is explained, in text that a terminal can bear. */
#include "cli/cli.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 24, LONGEST = 8192 };

static jmp_buf leave;
static bool complained;

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* ---- what the parser needs of the program; it is compiled with these names for exit() and the help ---- */

_Noreturn void fuzz_exit(int status);
void fuzz_help(FILE *out, const struct command *command);

void fuzz_exit(int status)
{
	longjmp(leave, status == 0 ? 1 : status);
}

void fuzz_help(FILE *out, const struct command *command)
{
	char *text = NULL;
	size_t length;
	FILE *memory = open_memstream(&text, &length);

	(void)out;
	require(memory != NULL);
	help_print_command(memory, command);
	fclose(memory);
	require(length > 0);
	free(text);
}

int finish_output(int exit_status)
{
	return exit_status;
}

void complain(const char *format, ...)
{
	char text[4096], *visible;
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	require(length > 0);
	visible = visible_text(text, strlen(text));
	require(visible != NULL);
	for (const char *at = visible; *at != '\0'; at++)
		require((unsigned char)*at >= ' ' && *at != 0x7f);
	free(visible);
	complained = true;
}

#define COMMAND(name)                                                                                                  \
	int name(const struct options *options)                                                                        \
	{                                                                                                              \
		(void)options;                                                                                         \
		return 0;                                                                                              \
	}
COMMAND(run_command)
COMMAND(status_command)
COMMAND(list_command)
COMMAND(wait_command)
COMMAND(break_command)
COMMAND(ping_command)

/* ---- the words ---- */

static void check(const struct command *command, const struct options *options)
{
	const int64_t longest = (INT64_C(1) << 53) - 1;

	require(options->url != NULL);
	require(options->wait_ms >= -1 && options->wait_ms <= longest);
	require(options->ttl_ms == -1 || (options->ttl_ms >= 1 && options->ttl_ms <= longest));
	require(options->spin_ms >= 0 && options->spin_ms <= INT32_MAX);
	require(options->grace_ms >= -1 && options->grace_ms <= longest);
	require(options->not_acquired >= 0 && options->not_acquired <= 255);
	require(options->operand_count >= command->least);
	require(command->most < 0 || options->operand_count <= command->most);
	require(options->operands[options->operand_count] == NULL);
	if (command->least > 0)
		require(options->operands[0][0] != '\0' && strlen(options->operands[0]) <= 32768);
}

static void parse(int count, char **words)
{
	const struct command *command = command_find(words[0]);
	struct options options;
	int status;

	if (command == NULL)
		return;
	optind = 0; /* anew */
	complained = false;
	status = setjmp(leave);
	if (status == 0) {
		options_parse(command, count, words, &options);
		check(command, &options);
	} else {
		require(complained == (status == EXIT_USAGE));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[LONGEST + 1];
	char *words[WORDS + 1] = { NULL };
	int count = 0;

	size = size < LONGEST ? size : LONGEST;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && count < WORDS; at += strlen(text + at) + 1)
		words[count++] = text + at;
	if (count > 0)
		parse(count, words);
	return 0;
}
