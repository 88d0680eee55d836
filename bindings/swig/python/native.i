// SPDX-License-Identifier: MIT
//
// How things are handed over to and from Python.

// Python's other threads run while one waits.
%feature("nothreadallow");
%define %waits(FUNCTION)
	%feature("nothreadallow", "0") FUNCTION;
%enddef
%waits(redislock_client::~redislock_client)
%waits(redislock_lock::~redislock_lock)
%waits(redislock_quorum::~redislock_quorum)
%waits(redislock_quorum_lock::~redislock_quorum_lock)
%waits(redislock_quorum_lock_release)
%waits(redislock_quorum_lock_extend)

// And so that its main thread can be interrupted, that one waits in a function of our own.
%{
#include "interrupt.h"
%}
%ignore redislock_lock_acquire;
%ignore redislock_quorum_lock_acquire;
%rename(lock_acquire) rlp_acquire;
%rename(quorum_lock_acquire) rlp_quorum_acquire;
%rename(lock_give_up) rlp_give_up;
%rename(set_main_thread) rlp_set_main_thread;
%exception {
	$action
	if (PyErr_Occurred()) {
		SWIG_fail;
	}
}
int32_t rlp_acquire(redislock_lock *lock);
int32_t rlp_quorum_acquire(redislock_quorum_lock *lock);
%exception;
int32_t rlp_give_up(redislock_lock *lock);
void rlp_set_main_thread(uint64_t ident, PyObject *setter);

%define %append_bytes(DATA, SIZE)
	%append_output(PyBytes_FromStringAndSize(DATA, (Py_ssize_t)(SIZE)));
%enddef

%define %append_handle(POINTER, TYPE)
	%append_output(POINTER == NULL ? SWIG_Py_Void() : SWIG_NewPointerObj(POINTER, TYPE, SWIG_POINTER_OWN));
%enddef

%typemap(in) (const char *BYTES, size_t SIZE) {
	if ($input == Py_None) {
		$1 = NULL;
		$2 = 0;
	} else {
		char *bytes;
		Py_ssize_t size;
		if (PyBytes_AsStringAndSize($input, &bytes, &size) != 0) {
			SWIG_fail;
		}
		$1 = bytes;
		$2 = (size_t)size;
	}
}
