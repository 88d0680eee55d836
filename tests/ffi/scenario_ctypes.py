# SPDX-License-Identifier: MIT
"""The scenario (see run) through ctypes, declared by hand. Arguments: LIBRARY URL."""

import sys
from ctypes import CDLL, POINTER, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from ctypes import create_string_buffer, string_at

REDISLOCK_OK = 0
REDISLOCK_NOT_ACQUIRED = 1
REDISLOCK_INVALID_ARGUMENT = -1
REDISLOCK_NOT_OWNED = -3
REDISLOCK_IN_USE = -18
REDISLOCK_KIND_PUBSUB = 1
REDISLOCK_KIND_SPIN = 2
REDISLOCK_NO_EXPIRY = -1

library = CDLL(sys.argv[1])
url = sys.argv[2].encode()


def declare(result, name, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


client_new = declare(c_int32, "redislock_client_new", c_char_p, POINTER(c_void_p))
client_free = declare(None, "redislock_client_free", c_void_p)
lock_new = declare(c_int32, "redislock_lock_new", c_void_p, c_int32, c_char_p, c_size_t, POINTER(c_void_p))
lock_free = declare(None, "redislock_lock_free", c_void_p)
set_ttl_ms = declare(c_int32, "redislock_lock_set_ttl_ms", c_void_p, c_int64)
set_wait_ms = declare(c_int32, "redislock_lock_set_wait_ms", c_void_p, c_int64)
acquire = declare(c_int32, "redislock_lock_acquire", c_void_p)
release = declare(c_int32, "redislock_lock_release", c_void_p)
extend = declare(c_int32, "redislock_lock_extend", c_void_p, c_int64)
is_held = declare(c_int32, "redislock_lock_is_held", c_void_p)
remaining_ms = declare(c_int64, "redislock_lock_remaining_ms", c_void_p)
fence = declare(c_uint64, "redislock_lock_fence", c_void_p)
lock_name = declare(c_void_p, "redislock_lock_name", c_void_p, POINTER(c_size_t))
lock_error = declare(c_int32, "redislock_lock_error", c_void_p, c_char_p, c_size_t)
strerror = declare(c_char_p, "redislock_strerror", c_int32)


def expect(got, wanted):
    if got != wanted:
        raise SystemExit(f"{got!r} instead of {wanted!r}")


client, free, lock, length = c_void_p(), c_void_p(), c_void_p(), c_size_t()
expect(client_new(b"nonsense", byref(client)), REDISLOCK_INVALID_ARGUMENT)
expect(client.value, None)
expect(client_new(url, byref(client)), REDISLOCK_OK)

expect(lock_new(client, REDISLOCK_KIND_SPIN, b"free", 4, byref(free)), REDISLOCK_OK)
expect(set_ttl_ms(free, 2**53 - 1), REDISLOCK_OK)
expect(acquire(free), REDISLOCK_OK)
expect(acquire(free), REDISLOCK_IN_USE)
expect(2**52 < remaining_ms(free) < 2**53, True)
expect(extend(free, REDISLOCK_NO_EXPIRY), REDISLOCK_OK)
expect(remaining_ms(free), REDISLOCK_NO_EXPIRY)
expect(is_held(free), 1)
expect(release(free), REDISLOCK_OK)
expect(is_held(free), 0)

name = b"ffi\0lock"
expect(lock_new(client, REDISLOCK_KIND_PUBSUB, name, len(name), byref(lock)), REDISLOCK_OK)
expect(string_at(lock_name(lock, byref(length)), length.value), name)
expect(set_wait_ms(lock, 0), REDISLOCK_OK)
expect(acquire(lock), REDISLOCK_NOT_ACQUIRED)
expect(fence(lock), 0)
expect(set_wait_ms(lock, 60000), REDISLOCK_OK)
expect(acquire(lock), REDISLOCK_OK)
expect(fence(lock), 2**53 - 1)
expect(release(lock), REDISLOCK_OK)
expect(release(lock), REDISLOCK_NOT_OWNED)

text = create_string_buffer(256)
expect(lock_error(lock, text, len(text)), REDISLOCK_OK)
expect(text.value, strerror(REDISLOCK_NOT_OWNED))
expect(lock_error(lock, text, 8), REDISLOCK_OK)
expect(text.value, strerror(REDISLOCK_NOT_OWNED)[:7])

lock_free(lock)
lock_free(free)
client_free(client)
