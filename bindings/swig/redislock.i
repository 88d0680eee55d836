// SPDX-License-Identifier: MIT
//
// What all languages share. SWIG reads the public header itself, so that each function is there under its C name
// without the prefix, and each constant as well: a raw module which only the code beside it uses, in that language's
// own ways. It is run with a language's folder in the search path, whose native.i says how things are handed over:
//
//   %append_bytes(DATA, SIZE)         C code that adds a string of bytes to a function's results
//   %append_handle(POINTER, TYPE)     C code that adds a handle, which that language's collector is to free
//   (const char *BYTES, size_t SIZE)  a typemap "in" for a string of bytes, or for nothing: NULL and 0
//   %waits(FUNCTION)                  what has to be done about a function that may wait for the server
//
// A function with several results gives them as a list, its status first. Where modules have no namespace of their own
// (PHP) the prefix stays.

%{
#include <redislock/redislock.h>
#include <string.h>
%}

// To SWIG only; C has them from its own headers. Not <stdint.i>: what it takes for int64_t depends on this machine.
typedef int int32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;

%include <typemaps.i>
%include "native.i"

// ---- bytes and texts ----

%apply (const char *BYTES, size_t SIZE) {
	(const void *name, size_t name_length), (const char *owner, size_t owner_length), (const char *token, size_t token_length)
}

// A text that the function writes into its caller's buffer.
%typemap(in, numinputs=0) (char *text, size_t size) (char buffer[1024]) {
	buffer[0] = '\0';
	$1 = buffer;
	$2 = sizeof buffer;
}
%typemap(argout) (char *text, size_t size) {
	%append_bytes($1, strlen($1))
}
%apply (char *text, size_t size) { (char *token, size_t size) }

// Bytes that the handle owns; names may hold NUL.
%typemap(in, numinputs=0) size_t *length (size_t length) {
	length = 0;
	$1 = &length;
}
%typemap(out) const char *redislock_lock_name, const char *redislock_lock_channel, const char *redislock_info_token,
	const char *redislock_info_owner ""
%typemap(argout) size_t *length {
	%append_bytes((result != NULL ? result : ""), *$1)
}
%typemap(in, numinputs=0) (const char **name, size_t *length) (const char *name, size_t length) {
	name = "";
	length = 0;
	$1 = ($1_ltype)&name;
	$2 = &length;
}
%typemap(argout) (const char **name, size_t *length) {
	%append_bytes(*$1, *$2)
}

// ---- handles ----

%define %handle(TYPE, PARAMETER)
%nodefaultctor TYPE;
typedef struct TYPE {
} TYPE;
%extend TYPE {
	~TYPE() {
		TYPE##_free($self);
	}
}
%ignore TYPE##_free;
%typemap(in, numinputs=0) TYPE **PARAMETER (TYPE *handle) {
	handle = NULL;
	$1 = &handle;
}
%typemap(argout) TYPE **PARAMETER {
	%append_handle(*$1, $*1_descriptor)
}
%enddef
%handle(redislock_client, client)
%handle(redislock_lock, lock)
%handle(redislock_info, info)
%handle(redislock_list, list)

// An event is borrowed until the next one is read, which no collector can know: so it is read into numbers.
%ignore redislock_client_next_event;
%ignore redislock_event_type;
%ignore redislock_event_status;
%ignore redislock_event_tag;
%ignore redislock_event_lock;
%ignore redislock_event_take_info;
#ifdef SWIGPHP
%rename(redislock_client_next_event) next_event;
#else
%rename(client_next_event) next_event;
#endif
// Types of C and not of <stdint.h>, as SWIG's own variables for them are.
%apply int *OUTPUT { int *type, int *outcome };
%apply unsigned long long *OUTPUT { unsigned long long *tag };
%{
// The status of the reading, then of the event: its type, its own status, its tag, and the snapshot that it brought.
static int next_event(redislock_client *client, int *type, int *outcome, unsigned long long *tag, redislock_info **info)
{
	redislock_event *event;
	int32_t status = redislock_client_next_event(client, &event);
	*type = redislock_event_type(event);
	*outcome = redislock_event_status(event);
	*tag = redislock_event_tag(event);
	*info = redislock_event_take_info(event);
	return status;
}
%}
int next_event(redislock_client *client, int *type, int *outcome, unsigned long long *tag, redislock_info **info);

// ---- what waits ----

%waits(redislock_client_connect)
%waits(redislock_client_ping)
%waits(redislock_client_break)
%waits(redislock_lock_acquire)
%waits(redislock_lock_cancel)
%waits(redislock_lock_release)
%waits(redislock_lock_extend)
%waits(redislock_info_get)
%waits(redislock_list_next)

// ---- many masters: for languages that have a face for it ----

#ifdef SWIGPYTHON
%handle(redislock_quorum, quorum)
%handle(redislock_quorum_lock, lock)
%ignore redislock_quorum_next_event;
%ignore redislock_event_quorum_lock;
%typemap(out) const char *redislock_quorum_lock_name ""
#else
%rename("$ignore", regexmatch$name="^redislock_(quorum|event_quorum)") "";
#endif

// ---- the header ----

#ifndef SWIGPHP
%rename("%(strip:[redislock_])s", %$isfunction) "";
%rename("%(strip:[REDISLOCK_])s", %$isenumitem) "";
#endif
%include <redislock/redislock.h>
