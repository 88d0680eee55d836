# SPDX-License-Identifier: MIT
"""One lock through cffi in its ABI mode: the header is the only description of the library."""
import sys

import cffi

header, library, url = sys.argv[1:]
ffi = cffi.FFI()
with open(header) as file:
    ffi.cdef(file.read())
redislock = ffi.dlopen(library)

client = ffi.new("redislock_client **")
lock = ffi.new("redislock_lock **")
assert redislock.redislock_client_new(url.encode(), client) == redislock.REDISLOCK_OK
name = b"cffi\0name"
assert redislock.redislock_lock_new(client[0], redislock.REDISLOCK_KIND_PUBSUB, name, len(name), lock) == 0
assert redislock.redislock_lock_acquire(lock[0]) == redislock.REDISLOCK_OK
assert redislock.redislock_lock_is_held(lock[0]) == 1
assert 0 < redislock.redislock_lock_fence(lock[0]) < 2**53
assert redislock.redislock_lock_acquire(lock[0]) == redislock.REDISLOCK_IN_USE
length = ffi.new("size_t *")
assert ffi.unpack(redislock.redislock_lock_name(lock[0], length), length[0]) == name
assert redislock.redislock_lock_release(lock[0]) == redislock.REDISLOCK_OK
assert redislock.redislock_lock_release(lock[0]) == redislock.REDISLOCK_NOT_OWNED == -3
redislock.redislock_lock_free(lock[0])
redislock.redislock_client_free(client[0])
