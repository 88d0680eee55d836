// SPDX-License-Identifier: MIT
//
// How things are handed over to and from Tcl. Texts come and go as bytes, which the scripts encode and decode.

%{
#include "handles.h"
%}

%define %append_bytes(DATA, SIZE)
	Tcl_ListObjAppendElement(interp, Tcl_GetObjResult(interp),
	                         Tcl_NewByteArrayObj((const unsigned char *)DATA, (int)(SIZE)));
%enddef

// The name of a type begins with "_p_".
%define %append_handle(POINTER, TYPE)
	Tcl_ListObjAppendElement(interp, Tcl_GetObjResult(interp), new_handle(interp, POINTER, TYPE->name + 3));
%enddef

// Other threads have interpreters of their own.
%define %waits(FUNCTION)
%enddef

// Empty is nothing.
%typemap(in) (const char *BYTES, size_t SIZE) {
	int size;
	$1 = (char *)Tcl_GetByteArrayFromObj($input, &size);
	$2 = (size_t)size;
	if (size == 0) {
		$1 = NULL;
	}
}
%typemap(in) const char * (char *copy = NULL) {
	int size;
	const unsigned char *bytes = Tcl_GetByteArrayFromObj($input, &size);
	if (size > 0) {
		copy = ckalloc((unsigned)size + 1);
		memcpy(copy, bytes, (size_t)size);
		copy[size] = '\0';
	}
	$1 = copy;
}
%typemap(freearg) const char * {
	if (copy$argnum != NULL) {
		ckfree(copy$argnum);
	}
}

// Handles are names in a table of their interpreter.
%define %named_handle(TYPE)
%nodefaultdtor TYPE;
%ignore TYPE::~TYPE;
%typemap(in) TYPE * {
	struct handle *handle = find_handle(interp, $input, #TYPE);
	if (handle == NULL) {
		SWIG_fail;
	}
	$1 = handle->pointer;
}
%enddef
%named_handle(redislock_client)
%named_handle(redislock_lock)
%named_handle(redislock_info)
%named_handle(redislock_list)
%native(drop) int drop(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);
%native(guard) int guard(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);
%native(open_channel) int open_channel(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);

// This one runs scripts now and then.
%ignore redislock_lock_acquire;
%native(lock_acquire) int acquire(ClientData data, Tcl_Interp *interp, int count, Tcl_Obj *const words[]);

%init %{
	if (make_table(interp) != TCL_OK) {
		return TCL_ERROR;
	}
%}
