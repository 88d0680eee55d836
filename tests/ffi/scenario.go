// SPDX-License-Identifier: MIT

// The scenario (see run) in Go: cgo reads the header. Arguments: URL.
package main

/*
#cgo LDFLAGS: -lredislock
#include <redislock/redislock.h>
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"
)

func expect[T comparable](got, wanted T) {
	if got != wanted {
		panic(fmt.Sprintf("%v instead of %v", got, wanted))
	}
}

func newLock(client *C.redislock_client, kind C.int32_t, name string) *C.redislock_lock {
	var lock *C.redislock_lock
	bytes := C.CBytes([]byte(name))
	defer C.free(bytes)
	expect(C.redislock_lock_new(client, kind, bytes, C.size_t(len(name)), &lock), C.REDISLOCK_OK)
	return lock
}

// The error text of a lock, read into a buffer of which the library is told size bytes.
func errorText(lock *C.redislock_lock, size int) string {
	text := make([]byte, size)
	pointer := (*C.char)(unsafe.Pointer(&text[0]))
	expect(C.redislock_lock_error(lock, pointer, C.size_t(size)), C.REDISLOCK_OK)
	return C.GoString(pointer)
}

func main() {
	var client *C.redislock_client
	nonsense, url := C.CString("nonsense"), C.CString(os.Args[1])
	defer C.free(unsafe.Pointer(nonsense))
	defer C.free(unsafe.Pointer(url))
	expect(C.redislock_client_new(nonsense, &client), C.REDISLOCK_INVALID_ARGUMENT)
	expect(client, nil)
	expect(C.redislock_client_new(url, &client), C.REDISLOCK_OK)

	free := newLock(client, C.REDISLOCK_KIND_SPIN, "free")
	expect(C.redislock_lock_set_ttl_ms(free, 1<<53-1), C.REDISLOCK_OK)
	expect(C.redislock_lock_acquire(free), C.REDISLOCK_OK)
	expect(C.redislock_lock_acquire(free), C.REDISLOCK_IN_USE)
	remaining := C.redislock_lock_remaining_ms(free)
	expect(1<<52 < remaining && remaining < 1<<53, true)
	expect(C.redislock_lock_extend(free, C.REDISLOCK_NO_EXPIRY), C.REDISLOCK_OK)
	expect(C.redislock_lock_remaining_ms(free), C.REDISLOCK_NO_EXPIRY)
	expect(C.redislock_lock_is_held(free), 1)
	expect(C.redislock_lock_release(free), C.REDISLOCK_OK)
	expect(C.redislock_lock_is_held(free), 0)

	name := "ffi\x00lock"
	lock := newLock(client, C.REDISLOCK_KIND_PUBSUB, name)
	var length C.size_t
	borrowed := C.redislock_lock_name(lock, &length)
	expect(C.GoStringN(borrowed, C.int(length)), name)
	expect(C.redislock_lock_set_wait_ms(lock, 0), C.REDISLOCK_OK)
	expect(C.redislock_lock_acquire(lock), C.REDISLOCK_NOT_ACQUIRED)
	expect(C.redislock_lock_fence(lock), 0)
	expect(C.redislock_lock_set_wait_ms(lock, 60000), C.REDISLOCK_OK)
	expect(C.redislock_lock_acquire(lock), C.REDISLOCK_OK)
	expect(C.redislock_lock_fence(lock), 1<<53-1)
	expect(C.redislock_lock_release(lock), C.REDISLOCK_OK)
	expect(C.redislock_lock_release(lock), C.REDISLOCK_NOT_OWNED)

	notOwned := C.GoString(C.redislock_strerror(C.REDISLOCK_NOT_OWNED))
	expect(errorText(lock, 256), notOwned)
	expect(errorText(lock, 8), notOwned[:7])

	C.redislock_lock_free(lock)
	C.redislock_lock_free(free)
	C.redislock_client_free(client)
}
