/* SPDX-License-Identifier: MIT
 *
 * The command line. Whatever is wrong with it ends the program before anything was sent to a server. */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_MS ((INT64_C(1) << 53) - 1)
#define DEFAULT_URL "redis://127.0.0.1:6379/0"

/* What the library takes, by its header. */
enum { LONGEST_NAME = 32768, LONGEST_OWNER = 255, LONGEST_TOKEN = 128, LONGEST_PATTERN = 4096 };

/* More than anybody has. */
enum { MOST_REPLICAS = 1000 };

enum {
	OPTION_URL = 256,
	OPTION_JSON,
	OPTION_QUIET,
	OPTION_VERBOSE,
	OPTION_WAIT,
	OPTION_TRY,
	OPTION_TTL,
	OPTION_SPIN,
	OPTION_MIN_REPLICAS,
	OPTION_GRACE,
	OPTION_OWNER,
	OPTION_ON_LOST,
	OPTION_NOT_ACQUIRED,
	OPTION_TOKEN
};

static const struct option known[] = {
	{ "url", required_argument, NULL, OPTION_URL },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "quiet", no_argument, NULL, OPTION_QUIET },
	{ "verbose", no_argument, NULL, OPTION_VERBOSE },
	{ "wait", required_argument, NULL, OPTION_WAIT },
	{ "try", no_argument, NULL, OPTION_TRY },
	{ "ttl", required_argument, NULL, OPTION_TTL },
	{ "spin", optional_argument, NULL, OPTION_SPIN },
	{ "min-replicas", required_argument, NULL, OPTION_MIN_REPLICAS },
	{ "signal-grace", required_argument, NULL, OPTION_GRACE },
	{ "owner", required_argument, NULL, OPTION_OWNER },
	{ "on-lost", required_argument, NULL, OPTION_ON_LOST },
	{ "conflict-exit-code", required_argument, NULL, OPTION_NOT_ACQUIRED },
	{ "token", required_argument, NULL, OPTION_TOKEN },
};

enum { KNOWN = sizeof known / sizeof known[0] };

void usage_error(const char *command, const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (command != NULL) {
		complain("%s: %s; see redis-lock %s --help", command, text, command);
	} else {
		complain("%s; see redis-lock help", text);
	}
	exit(EXIT_USAGE);
}

static int64_t duration(const struct command *command, const char *option, const char *text, const char *word,
                        int64_t least, int64_t most)
{
	int64_t value = 0;
	const char *wrong = duration_parse(text, word, &value);

	if (wrong != NULL) {
		usage_error(command->name, "--%s: '%s' %s%s%s", option, text, wrong, word != NULL ? ", or " : "",
		            word != NULL ? word : "");
	}
	if (value != -1 && (value < least || value > most)) {
		usage_error(command->name, "--%s: '%s' is out of range, %" PRId64 "ms to %" PRId64 "ms", option, text,
		            least, most);
	}
	return value;
}

static int number_to(int most, const struct command *command, const char *option, const char *text, const char *what)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > most) {
		usage_error(command->name, "--%s: '%s' is no %s from 0 to %d", option, text, what, most);
	}
	return (int)value;
}

static enum on_lost on_lost(const struct command *command, const char *option, const char *text)
{
	static const char *const words[] = {
		[ON_LOST_TERM] = "term", [ON_LOST_KILL] = "kill", [ON_LOST_IGNORE] = "ignore"
	};

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(text, words[i]) == 0) {
			return (enum on_lost)i;
		}
	}
	usage_error(command->name, "--%s: '%s' is none of term, kill and ignore", option, text);
}

static const char *owner(const struct command *command, const char *text)
{
	if (strlen(text) > LONGEST_OWNER) {
		usage_error(command->name, "--owner: more than %d bytes", LONGEST_OWNER);
	}
	for (const char *next = text; *next != '\0'; next++) {
		if ((unsigned char)*next < 0x20 || *next == 0x7F) {
			usage_error(command->name, "--owner: '%s' has a control character", text);
		}
	}
	return text;
}

static const char *token(const struct command *command, const char *text)
{
	size_t length = strlen(text);

	if (length < 1 || length > LONGEST_TOKEN) {
		usage_error(command->name, "--token: it has %zu bytes, and not 1 to %d", length, LONGEST_TOKEN);
	}
	for (const char *next = text; *next != '\0'; next++) {
		if (*next < '!' || *next > '~') {
			usage_error(command->name, "--token: '%s' has a space, control or non-ASCII character", text);
		}
	}
	return text;
}

static void take(const struct command *command, int number, char *text, struct options *options)
{
	switch (number) {
	case OPTION_URL:
		options->url = text;
		options->url_option = text;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_QUIET:
		options->quiet = true;
		options->verbose = false;
		break;
	case OPTION_VERBOSE:
		options->verbose = true;
		options->quiet = false;
		break;
	case OPTION_WAIT:
		options->wait_ms = duration(command, "wait", text, "forever", 0, LONGEST_MS);
		break;
	case OPTION_TRY:
		options->wait_ms = 0;
		break;
	case OPTION_TTL:
		options->ttl_ms = duration(command, "ttl", text, "none", 1, LONGEST_MS);
		break;
	case OPTION_SPIN:
		options->spin_ms = text != NULL ? duration(command, "spin", text, NULL, 1, INT32_MAX) : 100;
		break;
	case OPTION_MIN_REPLICAS:
		options->min_replicas = number_to(MOST_REPLICAS, command, "min-replicas", text, "number");
		break;
	case OPTION_GRACE:
		options->grace_ms = duration(command, "signal-grace", text, "forever", 0, LONGEST_MS);
		break;
	case OPTION_OWNER:
		options->owner = owner(command, text);
		break;
	case OPTION_ON_LOST:
		options->on_lost = on_lost(command, "on-lost", text);
		break;
	case OPTION_NOT_ACQUIRED:
		options->not_acquired = number_to(255, command, "conflict-exit-code", text, "exit status");
		break;
	case OPTION_TOKEN:
		options->token = token(command, text);
		break;
	}
}

static void check_name(const struct command *command, const char *name)
{
	static const char *const reserved[] = { "rlock-queue:", "rlock-state:" };

	if (name[0] == '\0') {
		usage_error(command->name, "NAME is empty");
	}
	if (strlen(name) > LONGEST_NAME) {
		usage_error(command->name, "NAME is longer than %d bytes", LONGEST_NAME);
	}
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
		if (strncmp(name, reserved[i], strlen(reserved[i])) == 0) {
			usage_error(command->name, "NAME begins with %s, as only redislock's own keys do", reserved[i]);
		}
	}
}

static void check_operands(const struct command *command, struct options *options)
{
	/* NAME [--] COMMAND: the name moves into its place. */
	if (command->least == 2 && options->operand_count > 1 && strcmp(options->operands[1], "--") == 0) {
		options->operands[1] = options->operands[0];
		options->operands++;
		options->operand_count--;
	}
	if (options->operand_count < command->least) {
		usage_error(command->name, "%s is missing", options->operand_count == 0 ? "NAME" : "COMMAND");
	}
	if (command->most >= 0 && options->operand_count > command->most) {
		usage_error(command->name, "'%s' is one argument too many", options->operands[command->most]);
	}
	if (command->least > 0) {
		check_name(command, options->operands[0]);
	} else if (options->operand_count > 0 && strlen(options->operands[0]) > LONGEST_PATTERN) {
		usage_error(command->name, "PATTERN is longer than %d bytes", LONGEST_PATTERN);
	}
}

void options_parse(const struct command *command, int count, char **arguments, struct options *options)
{
	struct option accepted[KNOWN + 2] = { { "help", no_argument, NULL, 'h' } };
	const char *url = getenv("REDISLOCK_URL");
	int number;

	for (size_t i = 0, next = 1; i < KNOWN; i++) {
		if (command_accepts(command, known[i].name)) {
			accepted[next++] = known[i];
		}
	}
	*options = (struct options) {
		.url = url != NULL && url[0] != '\0' ? url : DEFAULT_URL,
		.wait_ms = 60000,
		.ttl_ms = 30000,
		.grace_ms = 10000,
		.not_acquired = EXIT_NOT_ACQUIRED,
	};
	/* What follows a NAME that is followed by a command is that command's. */
	const char *order = command->least == 2 ? "+:h" : ":h";
	while ((number = getopt_long(count, arguments, order, accepted, NULL)) != -1) {
		switch (number) {
		case 'h':
			help_print_command(stdout, command);
			exit(finish_output(0));
		case ':':
			usage_error(command->name, "%s needs a value", arguments[optind - 1]);
		case '?':
			if (optopt >= OPTION_URL) {
				usage_error(command->name, "%s takes no value", arguments[optind - 1]);
			} else if (optopt != 0) {
				usage_error(command->name, "-%c is no option", optopt);
			}
			usage_error(command->name, "%s is no option, or short for several", arguments[optind - 1]);
		default:
			take(command, number, optarg, options);
		}
	}
	options->operands = arguments + optind;
	options->operand_count = count - optind;
	check_operands(command, options);
}
