// SPDX-License-Identifier: MIT
//
// How things are handed over to and from Python.

// Python's other threads run while one waits.
%feature("nothreadallow");
%define %waits(FUNCTION)
	%feature("nothreadallow", "0") FUNCTION;
%enddef

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
