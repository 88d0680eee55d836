/* SPDX-License-Identifier: MIT */
#ifndef CORE_SHA1_H
#define CORE_SHA1_H

#include <stddef.h>

/* The SHA-1 of the bytes in hex, as a server names a script. Terminated. */
void sha1_hex(const char *bytes, size_t length, char hex[41]);

#endif
