# SPDX-License-Identifier: MIT
"""The scenario (see run) through cffi in its ABI mode: the header is the only description of the library.
Arguments: HEADER LIBRARY URL."""

import sys

import cffi

header, library, url = sys.argv[1:]
ffi = cffi.FFI()
with open(header) as file:
    ffi.cdef(file.read())
c = ffi.dlopen(library)


def expect(got, wanted):
    if got != wanted:
        raise SystemExit(f"{got!r} instead of {wanted!r}")


client, length = ffi.new("redislock_client **"), ffi.new("size_t *")
free, lock = ffi.new("redislock_lock **"), ffi.new("redislock_lock **")
expect(c.redislock_client_new(b"nonsense", client), c.REDISLOCK_INVALID_ARGUMENT)
expect(client[0], ffi.NULL)
expect(c.redislock_client_new(url.encode(), client), c.REDISLOCK_OK)

expect(c.redislock_lock_new(client[0], c.REDISLOCK_KIND_SPIN, b"free", 4, free), c.REDISLOCK_OK)
expect(c.redislock_lock_set_ttl_ms(free[0], 2**53 - 1), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(free[0]), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(free[0]), c.REDISLOCK_IN_USE)
expect(2**52 < c.redislock_lock_remaining_ms(free[0]) < 2**53, True)
expect(c.redislock_lock_extend(free[0], c.REDISLOCK_NO_EXPIRY), c.REDISLOCK_OK)
expect(c.redislock_lock_remaining_ms(free[0]), c.REDISLOCK_NO_EXPIRY)
expect(c.redislock_lock_is_held(free[0]), 1)
expect(c.redislock_lock_release(free[0]), c.REDISLOCK_OK)
expect(c.redislock_lock_is_held(free[0]), 0)

name = b"ffi\0lock"
expect(c.redislock_lock_new(client[0], c.REDISLOCK_KIND_PUBSUB, name, len(name), lock), c.REDISLOCK_OK)
expect(ffi.unpack(c.redislock_lock_name(lock[0], length), length[0]), name)
expect(c.redislock_lock_set_wait_ms(lock[0], 0), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(lock[0]), c.REDISLOCK_NOT_ACQUIRED)
expect(c.redislock_lock_fence(lock[0]), 0)
expect(c.redislock_lock_set_wait_ms(lock[0], 60000), c.REDISLOCK_OK)
expect(c.redislock_lock_acquire(lock[0]), c.REDISLOCK_OK)
expect(c.redislock_lock_fence(lock[0]), 2**53 - 1)
expect(c.redislock_lock_release(lock[0]), c.REDISLOCK_OK)
expect(c.redislock_lock_release(lock[0]), c.REDISLOCK_NOT_OWNED)

text = ffi.new("char[]", 256)
not_owned = ffi.string(c.redislock_strerror(c.REDISLOCK_NOT_OWNED))
expect(c.redislock_lock_error(lock[0], text, len(text)), c.REDISLOCK_OK)
expect(ffi.string(text), not_owned)
expect(c.redislock_lock_error(lock[0], text, 8), c.REDISLOCK_OK)
expect(ffi.string(text), not_owned[:7])

c.redislock_lock_free(lock[0])
c.redislock_lock_free(free[0])
c.redislock_client_free(client[0])
