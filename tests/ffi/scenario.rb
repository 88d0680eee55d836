# SPDX-License-Identifier: MIT
# The scenario (see run) through Fiddle, declared by hand. Arguments: LIBRARY URL.
require "fiddle/import"

module C
  extend Fiddle::Importer
  dlload ARGV[0]
  typealias "int32_t", "int"
  typealias "int64_t", "long long"
  typealias "uint64_t", "unsigned long long"

  REDISLOCK_OK = 0
  REDISLOCK_NOT_ACQUIRED = 1
  REDISLOCK_INVALID_ARGUMENT = -1
  REDISLOCK_NOT_OWNED = -3
  REDISLOCK_IN_USE = -18
  REDISLOCK_KIND_PUBSUB = 1
  REDISLOCK_KIND_SPIN = 2
  REDISLOCK_NO_EXPIRY = -1

  extern "int32_t redislock_client_new(const char *url, redislock_client **client)"
  extern "void redislock_client_free(redislock_client *client)"
  extern "int32_t redislock_lock_new(redislock_client *client, int32_t kind, const void *name,
                                     size_t name_length, redislock_lock **lock)"
  extern "void redislock_lock_free(redislock_lock *lock)"
  extern "int32_t redislock_lock_set_ttl_ms(redislock_lock *lock, int64_t ttl_ms)"
  extern "int32_t redislock_lock_set_wait_ms(redislock_lock *lock, int64_t wait_ms)"
  extern "int32_t redislock_lock_acquire(redislock_lock *lock)"
  extern "int32_t redislock_lock_release(redislock_lock *lock)"
  extern "int32_t redislock_lock_extend(redislock_lock *lock, int64_t ttl_ms)"
  extern "int32_t redislock_lock_is_held(redislock_lock *lock)"
  extern "int64_t redislock_lock_remaining_ms(redislock_lock *lock)"
  extern "uint64_t redislock_lock_fence(redislock_lock *lock)"
  extern "const char *redislock_lock_name(redislock_lock *lock, size_t *length)"
  extern "int32_t redislock_lock_error(redislock_lock *lock, char *text, size_t size)"
  extern "const char *redislock_strerror(int32_t status)"
end

def expect(got, wanted)
  raise "#{got.inspect} instead of #{wanted.inspect}" unless got == wanted
end

# Runs a function that writes into an out-pointer; answers the status and what was written.
def out
  place = Fiddle::Pointer.malloc(Fiddle::SIZEOF_VOIDP, Fiddle::RUBY_FREE)
  [yield(place), place.ptr]
end

status, client = out { |place| C.redislock_client_new("nonsense", place) }
expect status, C::REDISLOCK_INVALID_ARGUMENT
expect client.null?, true
status, client = out { |place| C.redislock_client_new(ARGV[1], place) }
expect status, C::REDISLOCK_OK

status, free = out { |place| C.redislock_lock_new(client, C::REDISLOCK_KIND_SPIN, "free", 4, place) }
expect status, C::REDISLOCK_OK
expect C.redislock_lock_set_ttl_ms(free, 2**53 - 1), C::REDISLOCK_OK
expect C.redislock_lock_acquire(free), C::REDISLOCK_OK
expect C.redislock_lock_acquire(free), C::REDISLOCK_IN_USE
expect C.redislock_lock_remaining_ms(free).between?(2**52, 2**53), true
expect C.redislock_lock_extend(free, C::REDISLOCK_NO_EXPIRY), C::REDISLOCK_OK
expect C.redislock_lock_remaining_ms(free), C::REDISLOCK_NO_EXPIRY
expect C.redislock_lock_is_held(free), 1
expect C.redislock_lock_release(free), C::REDISLOCK_OK
expect C.redislock_lock_is_held(free), 0

name = "ffi\0lock"
status, lock = out { |place| C.redislock_lock_new(client, C::REDISLOCK_KIND_PUBSUB, name, name.bytesize, place) }
expect status, C::REDISLOCK_OK
borrowed, length = out { |place| C.redislock_lock_name(lock, place) }
expect borrowed[0, length.to_i], name
expect C.redislock_lock_set_wait_ms(lock, 0), C::REDISLOCK_OK
expect C.redislock_lock_acquire(lock), C::REDISLOCK_NOT_ACQUIRED
expect C.redislock_lock_fence(lock), 0
expect C.redislock_lock_set_wait_ms(lock, 60_000), C::REDISLOCK_OK
expect C.redislock_lock_acquire(lock), C::REDISLOCK_OK
expect C.redislock_lock_fence(lock), 2**53 - 1
expect C.redislock_lock_release(lock), C::REDISLOCK_OK
expect C.redislock_lock_release(lock), C::REDISLOCK_NOT_OWNED

text = "\0" * 256
not_owned = C.redislock_strerror(C::REDISLOCK_NOT_OWNED).to_s
expect C.redislock_lock_error(lock, text, text.bytesize), C::REDISLOCK_OK
expect text.unpack1("Z*"), not_owned
expect C.redislock_lock_error(lock, text, 8), C::REDISLOCK_OK
expect text.unpack1("Z*"), not_owned[0, 7]

C.redislock_lock_free(lock)
C.redislock_lock_free(free)
C.redislock_client_free(client)
