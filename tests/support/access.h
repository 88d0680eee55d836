/* SPDX-License-Identifier: MIT
 *
 * The access rules of packaging/docs/access.md, as they are written there, and what a server has refused by them. */
#ifndef TEST_ACCESS_H
#define TEST_ACCESS_H

#include "server.h"

enum { ACCESS_WORDS = 64 };

/* The page's text; the test reads it first. */
extern char *access_page;

/* A whole file. The caller frees it. */
char *access_read(const char *path);

/* The words of a user's rule: from ACL SETUSER to the empty line. The caller frees the text. */
int access_rule(const char *user, char **text, const char **words);

/* Gives a server that rule, and says whether a command stands in it. */
void access_apply(struct test_server *server, const char *user);
bool access_allows(const char *user, const char *command);

void access_forget(struct test_server *server);
void access_nothing_refused(struct test_server *server);

/* Checks that a command is refused to a user, or all of a table's, or those that no rule for a server allows. */
typedef const char *const (*access_command)[6];
void access_refused(struct test_server *server, const char *user, const char *const *words);
void access_all_refused(struct test_server *server, const char *user, access_command table, size_t rows);
void access_rest_refused(struct test_server *server, const char *user);

#define assert_all_refused(server, user, table)                                                                        \
	access_all_refused((server), (user), (table), sizeof(table) / sizeof((table)[0]))

#endif
