// SPDX-License-Identifier: MIT
//
// How things are handed over to and from Perl.

// A handle is a reference to its address, blessed into a class of its own, as RedisLock::Native::lock, whose DESTROY is
// the library's function that frees it. A new thread gets no copy of it (CLONE_SKIP) but undef, which is refused here.
%{
static const char *handle_class(const swig_type_info *type)
{
	static const char prefix[] = "_p_redislock_";
	static const char *const classes[] = {
		"RedisLock::Native::client", "RedisLock::Native::lock", "RedisLock::Native::info", "RedisLock::Native::list",
		"RedisLock::Native::hold"
	};
	for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
		if (strcmp(type->name + strlen(prefix), classes[i] + strlen("RedisLock::Native::")) == 0) {
			return classes[i];
		}
	}
	return "RedisLock::Native";
}

static SV *handle_new(pTHX_ void *pointer, const swig_type_info *type)
{
	SV *handle = sv_newmortal();
	if (pointer != NULL) {
		sv_setref_pv(handle, handle_class(type), pointer);
	}
	return handle;
}

static void *handle_of(pTHX_ SV *handle, const swig_type_info *type)
{
	if (!sv_isobject(handle) || !sv_derived_from(handle, handle_class(type)) || !SvIOK(SvRV(handle))) {
		dSP;
		PUSHMARK(SP);
		mXPUSHs(newSVpvs("this object is another thread's, or none"));
		PUTBACK;
		call_pv("RedisLock::Options::refuse", G_VOID | G_DISCARD);
	}
	return INT2PTR(void *, SvIV(SvRV(handle)));
}
%}

%typemap(in) SWIGTYPE * {
	$1 = ($ltype)handle_of(aTHX_ $input, $descriptor);
}

%define %append_handle(POINTER, TYPE)
	%append_output(handle_new(aTHX_ POINTER, TYPE));
%enddef

%define %append_bytes(DATA, SIZE)
	%append_output(newSVpvn_flags(DATA, SIZE, SVs_TEMP));
%enddef

%typemap(in) (const char *BYTES, size_t SIZE) {
	if (!SvOK($input)) {
		$1 = NULL;
		$2 = 0;
	} else {
		STRLEN length;
		$1 = SvPVbyte($input, length);
		$2 = length;
	}
}

// No other Perl runs in this interpreter while one waits, but handlers of signals do.
%define %waits(FUNCTION)
%enddef
%{
#include "hold.h"
#define redislock_lock_acquire lock_acquire_with_handlers
%}

typedef struct redislock_hold redislock_hold;
%typemap(out) redislock_hold * {
	%append_handle($1, $1_descriptor)
}
redislock_hold *hold_new(redislock_lock *lock, SV *lock_handle, const char *about);
void hold_arm(redislock_hold *hold);
int32_t hold_end(redislock_hold *hold);
void hold_free(redislock_hold *hold);
