/* SPDX-License-Identifier: MIT
 *
 * The servers that scenarios use: an ordinary one, with a replica and a sentinel; two more for a quorum; a cluster of
 * one node; and one that accepts and never says anything. */
#ifndef TORTURE_PLACES_H
#define TORTURE_PLACES_H

#include "scenarios.h"
#include "server.h"

/* The ordinary one. */
extern struct test_server place_server;

void places_start(void);
void places_stop(void);

const char *place_url(enum place place);
bool place_possible(enum place place);

/* Connections to the silent one that are over make room for others. */
void places_empty_the_silent(void);

/* What is left on any of them that doesn't end by itself, as a text; empty for nothing. All is removed. */
const char *places_left(void);

#endif
