/* SPDX-License-Identifier: MIT
 *
 * The program redis-lock. It knows the library by its public header alone. */
#ifndef REDISLOCK_CLI_H
#define REDISLOCK_CLI_H

#include <redislock/redislock.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses of the program itself; run passes on those of the command. */
enum {
	EXIT_FREE = 1,          /* status: it isn't locked; break: there was nothing to break */
	EXIT_USAGE = 64,        /* the command line is wrong */
	EXIT_UNAVAILABLE = 69,  /* the server can't be reached or can't serve */
	EXIT_INTERNAL = 70,     /* anything else */
	EXIT_NOT_ACQUIRED = 75, /* not acquired, or not free, in time */
	EXIT_LOST = 76,         /* the lock ended before the command did */
	EXIT_PERMISSION = 77,   /* the server wants other credentials, or forbids it */
	EXIT_NOT_EXECUTABLE = 126,
	EXIT_NOT_FOUND = 127,
	EXIT_SIGNAL = 128 /* plus the number of the signal */
};

enum on_lost { ON_LOST_TERM, ON_LOST_KILL, ON_LOST_IGNORE };

/* What the command line asks for; a command reads what it accepts. */
struct options {
	const char *url;
	char *url_option; /* the same, as it stands in the arguments; NULL: from the environment, or the default */
	bool json;
	bool quiet;
	bool verbose;
	int64_t wait_ms;
	int64_t ttl_ms;
	int64_t spin_ms; /* 0: queue */
	int min_replicas;
	int64_t grace_ms;
	const char *owner; /* NULL: a default that names this process */
	enum on_lost on_lost;
	int not_acquired; /* the exit status */
	const char *token;
	char **operands; /* NULL-terminated */
	int operand_count;
};

struct command {
	const char *name;
	const char *options; /* their names, separated by spaces */
	const char *operands;
	int least, most; /* how many operands; most is -1 for any number */
	int (*run)(const struct options *options);
	const char *summary;
	const char *help; /* beyond the summary and the options */
};

int run_command(const struct options *options);
int status_command(const struct options *options);
int list_command(const struct options *options);
int wait_command(const struct options *options);
int break_command(const struct options *options);
int ping_command(const struct options *options);

/* options.c: ends the program for --help and for what is wrong. */
void options_parse(const struct command *command, int count, char **arguments, struct options *options);
_Noreturn void usage_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* help.c */
extern const struct command commands[]; /* the last one has no name */
const struct command *command_find(const char *name);
bool command_accepts(const struct command *command, const char *option);
void help_print(FILE *out);
void help_print_command(FILE *out, const struct command *command);

/* duration.c: NULL, or what is wrong with the text. word stands for -1, and may be NULL. */
const char *duration_parse(const char *text, const char *word, int64_t *duration_ms);

/* messages.c: a line on standard error. complain() makes it visible text, the other one is given such text. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
void complain_visibly(const char *text);

/* The same, but left out when nobody reads it: while the lock is held, nothing may wait for that. */
void mention(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes out standard output; the exit status, which then may be another one. */
int finish_output(int exit_status);

/* Says what failed and returns the exit status. lock is NULL where the client failed. */
int report_failure(const char *what, int32_t status, redislock_client *client, redislock_lock *lock);

/* server.c: the exit status; 0 writes the client. */
int server_open(const struct options *options, redislock_client **client);

/* text.c: what people see. visible_text() returns allocated text, or NULL out of memory. */
size_t utf8_length(const unsigned char *bytes, size_t size); /* of the first character; 0 when it is none */
void print_visible(FILE *out, const void *data, size_t size);
void print_duration(FILE *out, int64_t duration_ms);
char *visible_text(const void *bytes, size_t size);

/* json.c */
void json_member(FILE *out, const char *key, const void *data, size_t size);
void json_info(FILE *out, const void *name, size_t length, const redislock_info *info);

/* status.c */
void print_holder(FILE *out, const redislock_info *info);

/* monotonic.c */
int64_t monotonic_ms(void);
void monotonic_sleep(int64_t duration_ms);

#endif
