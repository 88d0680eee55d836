/* SPDX-License-Identifier: MIT
 *
 * redis-lock: locks in Redis for programs and scripts. */
#include "cli.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int print_version(void)
{
	static const char *const features[] = { "tls", "resp3", "sentinel", "cluster" };
	printf("redis-lock %s\n", redislock_version_string());
	for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
		printf("%s: %s\n", features[i], redislock_has(features[i]) ? "yes" : "no");
	}
	printf("built with: %s\n", BUILT_WITH);
	return 0;
}

static int print_help(int count, char **arguments)
{
	if (count > 2) {
		usage_error("help", "one command at a time");
	}
	if (count < 2) {
		help_print(stdout);
		return 0;
	}
	const struct command *command = command_find(arguments[1]);
	if (command == NULL) {
		usage_error(NULL, "there is no command '%s'", arguments[1]);
	}
	help_print_command(stdout, command);
	return 0;
}

static bool is_one_of(const char *word, const char *first, const char *second, const char *third)
{
	return strcmp(word, first) == 0 || strcmp(word, second) == 0 || strcmp(word, third) == 0;
}

static int dispatch(int count, char **arguments)
{
	struct options options;

	if (count < 1) {
		help_print(stderr);
		return EXIT_USAGE;
	}
	if (is_one_of(arguments[0], "help", "--help", "-h")) {
		return print_help(count, arguments);
	}
	const struct command *command = command_find(arguments[0]);
	bool is_version = is_one_of(arguments[0], "version", "--version", "-V");
	if (is_version) {
		command = command_find("version");
	}
	if (command == NULL) {
		usage_error(NULL, "there is no command '%s'", arguments[0]);
	}
	options_parse(command, count, arguments, &options);
	return is_version ? print_version() : command->run(&options);
}

/* What the caller closed must not become a connection that messages are written to. The command finds it closed. */
static void fill_missing_descriptors(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
}

int main(int count, char **arguments)
{
	fill_missing_descriptors();
	return finish_output(dispatch(count - 1, arguments + 1));
}
