/* SPDX-License-Identifier: MIT
 *
 * A real server of the test's own: redis-server or valkey-server in a temporary folder, on a unix socket and, where
 * asked for, on a free TCP port. Whatever goes wrong here fails the test. */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include "test.h"

#include <sys/types.h>

enum {
	TEST_SERVER_TCP = 1,      /* listen on 127.0.0.1 as well */
	TEST_SERVER_AOF = 2,      /* keep the data over a restart, whatever ends the server */
	TEST_SERVER_SENTINEL = 4, /* a sentinel: the arguments are lines for its configuration */
	TEST_SERVER_TLS = 8       /* with TCP, that is by TLS alone, with replicas and the other nodes too */
};

struct test_server {
	pid_t pid; /* 0 while it doesn't run */
	int port;  /* 0 without TCP */
	unsigned flags;
	char *arguments[32]; /* the caller's own, NULL at the end */
	char folder[64];
	char socket[80];
	char url[96];      /* unix:///... */
	char tcp_url[64];  /* redis(s)://127.0.0.1:..., empty without TCP */
	char password[64]; /* what test_command() authenticates with; empty for none. The test's to set. */
};

/* Starts a server: REDIS_SERVER from the environment, else redis-server, else valkey-server from the PATH. It dies with
 * the thread that started it.
 * arguments: more arguments for it, as on its command line, ended by NULL; or NULL. */
void test_server_start(struct test_server *server, unsigned flags, const char *const *arguments);

/* Where those with TLS that are started from now on have their files: server.pem, server.key, and the authority's that
 * they trust, authority.pem. */
void test_server_certificates(const char *folder);

/* A TCP port that nobody listens on, for now. */
int test_free_port(void);

/* Ends it and removes its folder. A server that doesn't run, or never did (all zero), is welcome. */
void test_server_stop(struct test_server *server);

/* SIGKILL; the folder stays. */
void test_server_kill(struct test_server *server);

/* Starts a killed server again with the same folder, socket and port. */
void test_server_restart(struct test_server *server);

/* SIGSTOP, waiting until it has stopped, and SIGCONT. */
void test_server_pause(struct test_server *server);
void test_server_resume(struct test_server *server);

/* Asks the server over a connection of its own, made for this command.
 * reply receives the answer as text, cut to fit: a nil as "(nil)", an error with a '-' before it, an array's elements
 * each on a line. It may be NULL. The arguments end with NULL. Returns whether the answer was no error. */
bool test_command(struct test_server *server, char *reply, size_t size, ...) __attribute__((sentinel));

/* The same with arguments of any bytes. */
bool test_command_bytes(struct test_server *server, char *reply, size_t size, int count, const char **arguments,
                        const size_t *lengths);

/* The same for an answer that is a number; any other answer fails the test. */
long long test_number(struct test_server *server, ...) __attribute__((sentinel));

/* How many connections the server has whose line in CLIENT LIST contains the text, as in "name=foo ". The connection
 * that asks doesn't count. */
int test_connections(struct test_server *server, const char *text);

/* Waits until the replica has all that the primary has now. WAIT doesn't tell: it goes by what its own connection
 * wrote. */
void test_replicate(struct test_server *primary, struct test_server *replica);

#endif
