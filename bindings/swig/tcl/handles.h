/* SPDX-License-Identifier: MIT
 *
 * The handles of an interpreter. Scripts know them by names, so that no text of theirs is ever taken for an address;
 * and whatever is still in the table is freed with the interpreter or its thread, which releases what is held. */
#ifndef REDISLOCK_TCL_HANDLES_H
#define REDISLOCK_TCL_HANDLES_H

#include <tcl.h>

#include <stdbool.h>

struct kind;

struct handle {
	void *pointer;
	const struct kind *kind;
	bool busy;    /* an acquire waits, and runs scripts now and then */
	bool dropped; /* by one of those */
};

/* Gives an interpreter its table. */
int make_table(Tcl_Interp *interp);

/* Enters a handle of a type such as "redislock_lock"; returns its name, or an empty text for NULL. */
Tcl_Obj *new_handle(Tcl_Interp *interp, void *pointer, const char *type);

/* The handle by that name, of that type; NULL leaves a message. */
struct handle *find_handle(Tcl_Interp *interp, Tcl_Obj *name, const char *type);

/* Commands. drop HANDLE: frees it. acquire LOCK: returns the status. open_channel DESCRIPTOR: a channel that reads from
 * a copy of it, and is its own to close. guard VARIABLE LOCK: releases the lock when the variable is no more, which
 * also is so when nothing is run any longer in its frame; guard VARIABLE: not any more. */
int drop(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);
int acquire(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);
int guard(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);
int open_channel(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);

#endif
