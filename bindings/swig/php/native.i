// SPDX-License-Identifier: MIT
//
// How things are handed over to and from PHP. Functions and constants keep their names of C: PHP's modules have a prefix.

%pragma(php) version=REDISLOCK_PHP_VERSION

%{
// A further result. SWIG's own way to do this has another name and another meaning in each of its releases.
static void append_result(zval *results, zval *further)
{
	if (Z_TYPE_P(results) == IS_NULL) {
		ZVAL_COPY_VALUE(results, further);
		return;
	}
	if (Z_TYPE_P(results) != IS_ARRAY) {
		zval first;
		ZVAL_COPY_VALUE(&first, results);
		array_init(results);
		add_next_index_zval(results, &first);
	}
	add_next_index_zval(results, further);
}
%}

%define %append_bytes(DATA, SIZE)
	{
		zval bytes;
		ZVAL_STRINGL(&bytes, DATA, SIZE);
		append_result(return_value, &bytes);
	}
%enddef

%define %append_handle(POINTER, TYPE)
	{
		zval handle;
		ZVAL_UNDEF(&handle); // or it is taken for the object to fill
		SWIG_SetPointerZval(&handle, POINTER, TYPE, 1);
		append_result(return_value, &handle);
	}
%enddef

// One thread, and nobody else who could run.
%define %waits(FUNCTION)
%enddef

%typemap(in) (const char *BYTES, size_t SIZE) {
	if (Z_ISNULL($input)) {
		$1 = NULL;
		$2 = 0;
	} else {
		convert_to_string(&$input);
		$1 = Z_STRVAL($input);
		$2 = Z_STRLEN($input);
	}
}
