// SPDX-License-Identifier: MIT
// The scenario (see run) through koffi, declared by hand. Arguments: LIBRARY URL.
'use strict';

const koffi = require('koffi');
const assert = require('assert').strict;

const [library, url] = process.argv.slice(2);
const lib = koffi.load(library);

const REDISLOCK_OK = 0;
const REDISLOCK_NOT_ACQUIRED = 1;
const REDISLOCK_INVALID_ARGUMENT = -1;
const REDISLOCK_NOT_OWNED = -3;
const REDISLOCK_IN_USE = -18;
const REDISLOCK_KIND_PUBSUB = 1;
const REDISLOCK_KIND_SPIN = 2;
const REDISLOCK_NO_EXPIRY = -1;

koffi.opaque('redislock_client');
koffi.opaque('redislock_lock');
const client_new = lib.func('int32_t redislock_client_new(const char *url, _Out_ redislock_client **client)');
const client_free = lib.func('void redislock_client_free(redislock_client *client)');
const lock_new = lib.func(`int32_t redislock_lock_new(redislock_client *client, int32_t kind, const void *name,
                                                         size_t name_length, _Out_ redislock_lock **lock)`);
const lock_free = lib.func('void redislock_lock_free(redislock_lock *lock)');
const set_ttl_ms = lib.func('int32_t redislock_lock_set_ttl_ms(redislock_lock *lock, int64_t ttl_ms)');
const set_wait_ms = lib.func('int32_t redislock_lock_set_wait_ms(redislock_lock *lock, int64_t wait_ms)');
const acquire = lib.func('int32_t redislock_lock_acquire(redislock_lock *lock)');
const release = lib.func('int32_t redislock_lock_release(redislock_lock *lock)');
const extend = lib.func('int32_t redislock_lock_extend(redislock_lock *lock, int64_t ttl_ms)');
const is_held = lib.func('int32_t redislock_lock_is_held(redislock_lock *lock)');
const remaining_ms = lib.func('int64_t redislock_lock_remaining_ms(redislock_lock *lock)');
const fence = lib.func('uint64_t redislock_lock_fence(redislock_lock *lock)');
const lock_name = lib.func('const void *redislock_lock_name(redislock_lock *lock, _Out_ size_t *length)');
const lock_error = lib.func('int32_t redislock_lock_error(redislock_lock *lock, char *text, size_t size)');
const strerror = lib.func('const char *redislock_strerror(int32_t status)');

const out = [null];
assert.equal(client_new('nonsense', out), REDISLOCK_INVALID_ARGUMENT);
assert.equal(out[0], null);
assert.equal(client_new(url, out), REDISLOCK_OK);
const client = out[0];

assert.equal(lock_new(client, REDISLOCK_KIND_SPIN, Buffer.from('free'), 4, out), REDISLOCK_OK);
const free = out[0];
assert.equal(set_ttl_ms(free, Number.MAX_SAFE_INTEGER), REDISLOCK_OK);
assert.equal(acquire(free), REDISLOCK_OK);
assert.equal(acquire(free), REDISLOCK_IN_USE);
const remaining = remaining_ms(free);
assert.ok(2 ** 52 < remaining && remaining < 2 ** 53, `${remaining} ms`);
assert.equal(extend(free, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
assert.equal(remaining_ms(free), REDISLOCK_NO_EXPIRY);
assert.equal(is_held(free), 1);
assert.equal(release(free), REDISLOCK_OK);
assert.equal(is_held(free), 0);

const name = Buffer.from('ffi\0lock');
assert.equal(lock_new(client, REDISLOCK_KIND_PUBSUB, name, name.length, out), REDISLOCK_OK);
const lock = out[0];
const borrowed = lock_name(lock, out);
assert.equal(Buffer.from(koffi.view(borrowed, Number(out[0]))).toString(), name.toString());
assert.equal(set_wait_ms(lock, 0), REDISLOCK_OK);
assert.equal(acquire(lock), REDISLOCK_NOT_ACQUIRED);
assert.equal(fence(lock), 0);
assert.equal(set_wait_ms(lock, 60000), REDISLOCK_OK);

// A wait in a thread of koffi's: the event loop goes on meanwhile.
acquire.async(lock, (failure, status) => {
	assert.equal(failure, null);
	assert.equal(status, REDISLOCK_OK);
	assert.equal(String(fence(lock)), '9007199254740991');
	assert.equal(release(lock), REDISLOCK_OK);
	assert.equal(release(lock), REDISLOCK_NOT_OWNED);

	const text = Buffer.alloc(256);
	const read = () => text.toString('utf8', 0, text.indexOf(0));
	assert.equal(lock_error(lock, text, text.length), REDISLOCK_OK);
	assert.equal(read(), strerror(REDISLOCK_NOT_OWNED));
	assert.equal(lock_error(lock, text, 8), REDISLOCK_OK);
	assert.equal(read(), strerror(REDISLOCK_NOT_OWNED).slice(0, 7));

	lock_free(lock);
	lock_free(free);
	client_free(client);
});
