/* SPDX-License-Identifier: MIT */
#include "handles.h"

#include <redislock/redislock.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define TABLE "redislock"

struct table {
	Tcl_HashTable handles;
	unsigned long last;
};

/* ---- kinds ---- */

struct kind {
	const char *type;
	void (*end)(void *pointer);
};

static void end_client(void *pointer)
{
	redislock_client_free(pointer);
}

static void end_lock(void *pointer)
{
	redislock_lock_free(pointer);
}

static void end_info(void *pointer)
{
	redislock_info_free(pointer);
}

static void end_list(void *pointer)
{
	redislock_list_free(pointer);
}

static const struct kind kinds[] = {
	{ "redislock_client", end_client },
	{ "redislock_lock", end_lock },
	{ "redislock_info", end_info },
	{ "redislock_list", end_list },
};

static const struct kind *find_kind(const char *type)
{
	const struct kind *kind = kinds;
	while (strcmp(kind->type, type) != 0) {
		kind++;
	}
	return kind;
}

/* ---- the table ---- */

static void end_handle(struct handle *handle)
{
	handle->kind->end(handle->pointer);
	ckfree((char *)handle);
}

static void remove_entry(Tcl_HashEntry *entry)
{
	struct handle *handle = Tcl_GetHashValue(entry);
	Tcl_DeleteHashEntry(entry);
	if (handle->busy) {
		handle->dropped = true;
	} else {
		end_handle(handle);
	}
}

static void remove_all(struct table *table)
{
	Tcl_HashSearch search;
	Tcl_HashEntry *entry;
	while ((entry = Tcl_FirstHashEntry(&table->handles, &search)) != NULL) {
		remove_entry(entry);
	}
}

/* Also the end of the process: exit doesn't delete interpreters. */
static void thread_ends(ClientData data)
{
	struct table *table = data;
	Tcl_HashSearch search;
	Tcl_HashEntry *entry;
	for (entry = Tcl_FirstHashEntry(&table->handles, &search); entry != NULL; entry = Tcl_NextHashEntry(&search)) {
		/* Nobody comes back to a wait whose handler has called exit. */
		((struct handle *)Tcl_GetHashValue(entry))->busy = false;
	}
	remove_all(table);
}

static void interpreter_ends(ClientData data, Tcl_Interp *interp)
{
	struct table *table = data;
	(void)interp;
	Tcl_DeleteThreadExitHandler(thread_ends, table);
	remove_all(table);
	Tcl_DeleteHashTable(&table->handles);
	ckfree((char *)table);
}

int make_table(Tcl_Interp *interp)
{
	if (Tcl_GetAssocData(interp, TABLE, NULL) == NULL) {
		struct table *table = (struct table *)ckalloc(sizeof *table);
		Tcl_InitHashTable(&table->handles, TCL_STRING_KEYS);
		table->last = 0;
		Tcl_SetAssocData(interp, TABLE, interpreter_ends, table);
		Tcl_CreateThreadExitHandler(thread_ends, table);
	}
	return TCL_OK;
}

Tcl_Obj *new_handle(Tcl_Interp *interp, void *pointer, const char *type)
{
	struct table *table = Tcl_GetAssocData(interp, TABLE, NULL);
	int isnew;
	if (pointer == NULL) {
		return Tcl_NewObj();
	}
	struct handle *handle = (struct handle *)ckalloc(sizeof *handle);
	*handle = (struct handle) { .pointer = pointer, .kind = find_kind(type) };
	Tcl_Obj *name = Tcl_ObjPrintf("%s%lu", type, ++table->last);
	Tcl_SetHashValue(Tcl_CreateHashEntry(&table->handles, Tcl_GetString(name), &isnew), handle);
	return name;
}

static Tcl_HashEntry *find_entry(Tcl_Interp *interp, Tcl_Obj *name, const char *type)
{
	struct table *table = Tcl_GetAssocData(interp, TABLE, NULL);
	Tcl_HashEntry *entry = Tcl_FindHashEntry(&table->handles, Tcl_GetString(name));
	const struct handle *handle = entry != NULL ? Tcl_GetHashValue(entry) : NULL;
	if (handle == NULL || (type != NULL && strcmp(handle->kind->type, type) != 0)) {
		Tcl_SetObjResult(interp, Tcl_ObjPrintf("there is no %s \"%s\"", type != NULL ? type : "handle",
		                                       Tcl_GetString(name)));
		return NULL;
	}
	return entry;
}

struct handle *find_handle(Tcl_Interp *interp, Tcl_Obj *name, const char *type)
{
	Tcl_HashEntry *entry = find_entry(interp, name, type);
	return entry != NULL ? Tcl_GetHashValue(entry) : NULL;
}

/* ---- commands ---- */

int drop(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
	(void)data;
	if (count != 2) {
		Tcl_WrongNumArgs(interp, 1, words, "handle");
		return TCL_ERROR;
	}
	Tcl_HashEntry *entry = find_entry(interp, words[1], NULL);
	if (entry == NULL) {
		return TCL_ERROR;
	}
	remove_entry(entry);
	return TCL_OK;
}

/* What signals have left to do, as extensions such as TclX have it, and whether the script was cancelled. */
static int run_handlers(Tcl_Interp *interp)
{
	int code = Tcl_AsyncReady() ? Tcl_AsyncInvoke(interp, TCL_OK) : TCL_OK;
	return code == TCL_OK ? Tcl_Canceled(interp, TCL_LEAVE_ERR_MSG) : code;
}

/* Waits, and runs handlers in between. Whatever they do to the lock, it is there until this ends. */
static int wait_for(Tcl_Interp *interp, struct handle *handle, int32_t *status)
{
	int code = run_handlers(interp);
	*status = REDISLOCK_INTERRUPTED;
	while (code == TCL_OK && *status == REDISLOCK_INTERRUPTED && !handle->dropped) {
		*status = redislock_lock_acquire(handle->pointer);
		code = run_handlers(interp);
	}
	if (code != TCL_OK || handle->dropped) {
		redislock_lock_cancel(handle->pointer);
	}
	if (code != TCL_OK && *status == REDISLOCK_OK) {
		redislock_lock_release(handle->pointer);
	}
	return code;
}

int acquire(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
	int32_t status;
	(void)data;
	if (count != 2) {
		Tcl_WrongNumArgs(interp, 1, words, "lock");
		return TCL_ERROR;
	}
	struct handle *handle = find_handle(interp, words[1], "redislock_lock");
	if (handle == NULL) {
		return TCL_ERROR;
	}
	if (handle->busy) {
		Tcl_SetObjResult(interp, Tcl_NewIntObj(REDISLOCK_IN_USE));
		return TCL_OK;
	}
	handle->busy = true;
	int code = wait_for(interp, handle, &status);
	handle->busy = false;
	if (handle->dropped) {
		end_handle(handle);
		if (code == TCL_OK) {
			Tcl_SetObjResult(interp,
			                 Tcl_NewStringObj("the lock was destroyed while it was waited for", -1));
			Tcl_SetErrorCode(interp, "REDISLOCK", "CANCELLED", (char *)NULL);
			return TCL_ERROR;
		}
	}
	if (code == TCL_OK) {
		Tcl_SetObjResult(interp, Tcl_NewIntObj(status));
	}
	return code;
}

/* ---- guards ---- */

/* The data is the name of the lock, in memory of its own; empty once there is nothing to guard. */
static char *unset(ClientData data, Tcl_Interp *interp, const char *name, const char *element, int flags)
{
	struct table *table = Tcl_GetAssocData(interp, TABLE, NULL);
	char *lock = data;
	(void)name;
	(void)element;
	(void)flags;
	Tcl_HashEntry *entry = table != NULL ? Tcl_FindHashEntry(&table->handles, lock) : NULL;
	if (entry != NULL) {
		struct handle *handle = Tcl_GetHashValue(entry);
		if (redislock_lock_start_release(handle->pointer, 0) == REDISLOCK_WRONG_MODE) {
			redislock_lock_release(handle->pointer);
		}
	}
	ckfree(lock);
	return NULL;
}

int guard(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
	(void)data;
	if (count != 2 && count != 3) {
		Tcl_WrongNumArgs(interp, 1, words, "variable ?lock?");
		return TCL_ERROR;
	}
	const char *name = Tcl_GetString(words[1]);
	if (count == 2) {
		char *guarded = Tcl_VarTraceInfo(interp, name, 0, unset, NULL);
		if (guarded != NULL) {
			guarded[0] = '\0';
		}
		return TCL_OK;
	}
	if (find_handle(interp, words[2], "redislock_lock") == NULL) {
		return TCL_ERROR;
	}
	unsigned size = (unsigned)strlen(Tcl_GetString(words[2])) + 1;
	char *lock = memcpy(ckalloc(size), Tcl_GetString(words[2]), size);
	if (Tcl_TraceVar(interp, name, TCL_TRACE_UNSETS, unset, lock) != TCL_OK) {
		ckfree(lock);
		return TCL_ERROR;
	}
	return TCL_OK;
}

int open_channel(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[])
{
	int fd;
	(void)data;
	if (count != 2 || Tcl_GetIntFromObj(interp, words[1], &fd) != TCL_OK) {
		Tcl_WrongNumArgs(interp, 1, words, "descriptor");
		return TCL_ERROR;
	}
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		Tcl_SetErrno(errno);
		Tcl_SetObjResult(interp, Tcl_NewStringObj(Tcl_PosixError(interp), -1));
		return TCL_ERROR;
	}
	ClientData descriptor = (ClientData)(intptr_t)copy; /* NOLINT(performance-no-int-to-ptr) */
	Tcl_Channel channel = Tcl_MakeFileChannel(descriptor, TCL_READABLE);
	Tcl_RegisterChannel(interp, channel);
	Tcl_SetChannelOption(interp, channel, "-blocking", "0");
	Tcl_SetChannelOption(interp, channel, "-translation", "binary");
	Tcl_SetObjResult(interp, Tcl_NewStringObj(Tcl_GetChannelName(channel), -1));
	return TCL_OK;
}
