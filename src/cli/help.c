/* SPDX-License-Identifier: MIT
 *
 * The commands and what is to be said about them. */
#include "cli.h"

#include <string.h>

static const struct help {
	const char *name, *text;
} option_help[] = {
	{ "wait", "  --wait DURATION           how long to wait at most (60s); 0 doesn't, forever has no end\n" },
	{ "try", "  --try                     don't wait, the same as --wait 0\n" },
	{ "ttl", "  --ttl DURATION            how long the lock outlives a crash of redis-lock or its machine (30s);\n"
	         "                            it is renewed all the time; none: only redis-lock break ends it then\n" },
	{ "spin", "  --spin[=DURATION]         try again at an interval (100ms) instead of queueing\n" },
	{ "min-replicas", "  --min-replicas N          only if so many replicas have the lock within a second (0)\n" },
	{ "owner", "  --owner TEXT              who holds the lock, for others to see (user@host:pid)\n" },
	{ "on-lost",
	  "  --on-lost term|kill|ignore  what is done to the command's process group when the lock is lost:\n"
	  "                            SIGTERM and later SIGKILL, SIGKILL at once, or only a message (term)\n" },
	{ "signal-grace",
	  "  --signal-grace DURATION   the time from that SIGTERM to SIGKILL (10s); forever: no SIGKILL\n" },
	{ "conflict-exit-code",
	  "  --conflict-exit-code N    the exit status when the lock was not acquired in time (75)\n" },
	{ "token", "  --token TOKEN             only if this token holds it, as shown by redis-lock status\n" },
	{ "json", "  --json                    print JSON\n" },
	{ "quiet", "  --quiet                   only failures are worth a message\n" },
	{ "verbose", "  --verbose                 tell each step on standard error\n" },
	{ "url",
	  "  --url URL                 the server: redis://[user[:password]@]host[:port][/db] or unix:///path[?db=N];\n"
	  "                            for a cluster redis+cluster://host[:port],host[:port]...;\n"
	  "                            with Sentinel redis+sentinel://host[:port],host[:port].../service[/db];\n"
	  "                            for TLS rediss... in each, with ?ca=FILE&cert=FILE&key=FILE where need be;\n"
	  "                            else REDISLOCK_URL from the environment, which ps never shows to others,\n"
	  "                            else redis://127.0.0.1:6379/0\n" },
};

static const char status_help[] =
        "Exit status: 0 when it is locked, 1 when it is free.\n"
        "\n"
        "With --json: {\"name\", \"locked\", \"token\", \"owner\", \"remaining_ms\", \"waiters\", \"fence\"}. token "
        "and owner are\n"
        "null when it is free; remaining_ms is null when the lock has no expiry. Bytes that are no UTF-8 appear as "
        "U+FFFD,\n"
        "and in hexadecimal in a member of their own (name_hex, token_hex, owner_hex) beside it.\n";

static const char list_help[] =
        "PATTERN is one of the shell (*, ?, [a-z]). Locks made by other programs than redislock are not found.\n"
        "\n"
        "A line for each lock, sorted by name: name, owner, rest of the lease and number of waiters, with tabs between "
        "them.\n"
        "Control characters, backslashes and what is no UTF-8 are written as in \\n, \\\\ and \\xff. With --json: an "
        "array of\n"
        "what redis-lock status --json prints.\n";

static const char run_help[] =
        "COMMAND's environment has REDISLOCK_NAME, REDISLOCK_TOKEN and REDISLOCK_FENCE. The fence rises from holder "
        "to\n"
        "holder: a resource that remembers the highest it has seen can refuse a late one.\n"
        "\n"
        "COMMAND runs in a process group of its own, in the foreground of the terminal if redis-lock is there. Signals "
        "that\n"
        "redis-lock gets are passed on to that group. Stopped by Ctrl-Z the lock is not renewed: continued after its "
        "TTL,\n"
        "it is lost. If redis-lock is killed, the group is ended as --on-lost says.\n"
        "\n"
        "Exit status: that of COMMAND, or 128 + N when signal N ended it or the wait; else\n"
        "  64 wrong usage              75 not acquired in time      126 COMMAND can't be executed\n"
        "  69 server unavailable       76 the lock was lost         127 COMMAND was not found\n"
        "  70 another failure          77 the server's permission or credentials\n";

const struct command commands[] = {
	{ "run", "wait try ttl spin min-replicas owner on-lost signal-grace conflict-exit-code quiet verbose url",
	  "NAME [--] COMMAND [ARG...]", 2, -1, run_command, "hold NAME while COMMAND runs", run_help },
	{ "status", "json url", "NAME", 1, 1, status_command, "who holds NAME, for how long still, how many wait",
	  status_help },
	{ "list", "json url", "[PATTERN]", 0, 1, list_command, "what redislock has locked", list_help },
	{ "wait", "wait try quiet url", "NAME", 1, 1, wait_command, "wait until NAME is free, without queueing for it",
	  "Exit status: 0 when it was seen free, 75 when it was not in time.\n" },
	{ "break", "token quiet url", "NAME", 1, 1, break_command, "release NAME by force, whoever holds it",
	  "The holder learns it at its next renewal; until then two may believe to hold the lock.\n"
	  "\n"
	  "Exit status: 0 when it was released, 1 when there was nothing to release.\n" },
	{ "ping", "quiet url", "", 0, 0, ping_command, "ask the server for a sign of life",
	  "Exit status: 0 when it answered, 69 when it didn't, 77 when it wants other credentials.\n" },
	{ "version", "", "", 0, 0, NULL, "the version, and what this build can do", "" },
	{ NULL, NULL, NULL, 0, 0, NULL, NULL, NULL },
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name != NULL; command++) {
		if (strcmp(command->name, name) == 0) {
			return command;
		}
	}
	return NULL;
}

bool command_accepts(const struct command *command, const char *option)
{
	size_t length = strlen(option);

	for (const char *word = command->options; *word != '\0';) {
		size_t end = strcspn(word, " ");
		if (end == length && strncmp(word, option, length) == 0) {
			return true;
		}
		word += end + strspn(word + end, " ");
	}
	return false;
}

void help_print(FILE *out)
{
	fputs("redis-lock holds locks in Redis or Valkey for programs and scripts.\n\n", out);
	for (const struct command *command = commands; command->name != NULL; command++) {
		char line[80];
		snprintf(line, sizeof line, "%s %s%s", command->name, command->options[0] != '\0' ? "[options] " : "",
		         command->operands);
		fprintf(out, "  redis-lock %-42s  %s\n", line, command->summary);
	}
	fprintf(out, "  redis-lock %-42s  %s\n", "help [COMMAND]", "this, or more about a command");
	fputs("\nDurations are written like 500ms, 30s, 2m, 1h. Example:\n\n"
	      "  redis-lock run --wait 10m nightly-backup -- /usr/local/bin/backup\n",
	      out);
}

void help_print_command(FILE *out, const struct command *command)
{
	fprintf(out, "redis-lock %s%s%s%s: %s\n\n", command->name, command->options[0] != '\0' ? " [options]" : "",
	        command->operands[0] != '\0' ? " " : "", command->operands, command->summary);
	for (size_t i = 0; i < sizeof option_help / sizeof option_help[0]; i++) {
		if (command_accepts(command, option_help[i].name)) {
			fputs(option_help[i].text, out);
		}
	}
	fputs("  --help                    this text\n", out);
	if (command->help[0] != '\0') {
		fprintf(out, "\n%s", command->help);
	}
}
