// SPDX-License-Identifier: MIT
//
// How things are handed over to and from Ruby.

%{
#include "apart.h"

#define redislock_client_connect apart_client_connect
#define redislock_client_ping apart_client_ping
#define redislock_client_break apart_client_break
#define redislock_client_free apart_client_free
#define redislock_lock_acquire apart_lock_acquire
#define redislock_lock_cancel apart_lock_cancel
#define redislock_lock_release apart_lock_release
#define redislock_lock_extend apart_lock_extend
#define redislock_lock_free apart_lock_free
#define redislock_info_get apart_info_get
#define redislock_list_next apart_list_next
%}

// Ruby spells classes otherwise, and END is a word of its own.
%rename(Client) redislock_client;
%rename(Lock) redislock_lock;
%rename(Info) redislock_info;
%rename(List) redislock_list;
%rename(NO_MORE) REDISLOCK_END;

// By hand, as SWIG's own way takes nil for a result in some releases and not in others.
%{
static VALUE append(VALUE results, VALUE one)
{
	if (NIL_P(results)) {
		return one;
	}
	if (!RB_TYPE_P(results, T_ARRAY)) {
		results = rb_ary_new_from_args(1, results);
	}
	return rb_ary_push(results, one);
}
%}

%define %append_bytes(DATA, SIZE)
	$result = append($result, rb_str_new(DATA, (long)(SIZE)));
%enddef

%define %append_handle(POINTER, TYPE)
	$result = append($result, SWIG_NewPointerObj(POINTER, TYPE, SWIG_POINTER_OWN));
%enddef

%typemap(in) (const char *BYTES, size_t SIZE) {
	if (NIL_P($input)) {
		$1 = NULL;
		$2 = 0;
	} else {
		StringValue($input);
		$1 = RSTRING_PTR($input);
		$2 = (size_t)RSTRING_LEN($input);
	}
}

// Each has a function of its own in its place, above.
%define %waits(FUNCTION)
%enddef

int32_t lock_hold(redislock_lock *lock, VALUE outcome);
