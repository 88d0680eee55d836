// SPDX-License-Identifier: MIT
//! The scenario (see run) in Rust, declared by hand. Arguments: URL.

use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_void};
use std::ptr::null_mut;

const REDISLOCK_OK: i32 = 0;
const REDISLOCK_NOT_ACQUIRED: i32 = 1;
const REDISLOCK_INVALID_ARGUMENT: i32 = -1;
const REDISLOCK_NOT_OWNED: i32 = -3;
const REDISLOCK_IN_USE: i32 = -18;
const REDISLOCK_KIND_PUBSUB: i32 = 1;
const REDISLOCK_KIND_SPIN: i32 = 2;
const REDISLOCK_NO_EXPIRY: i64 = -1;

#[repr(C)]
pub struct Client {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Lock {
    _opaque: [u8; 0],
}

#[link(name = "redislock")]
extern "C" {
    fn redislock_client_new(url: *const c_char, client: *mut *mut Client) -> i32;
    fn redislock_client_free(client: *mut Client);
    fn redislock_lock_new(
        client: *mut Client, kind: i32, name: *const c_void, length: usize, lock: *mut *mut Lock,
    ) -> i32;
    fn redislock_lock_free(lock: *mut Lock);
    fn redislock_lock_set_ttl_ms(lock: *mut Lock, ttl_ms: i64) -> i32;
    fn redislock_lock_set_wait_ms(lock: *mut Lock, wait_ms: i64) -> i32;
    fn redislock_lock_acquire(lock: *mut Lock) -> i32;
    fn redislock_lock_release(lock: *mut Lock) -> i32;
    fn redislock_lock_extend(lock: *mut Lock, ttl_ms: i64) -> i32;
    fn redislock_lock_is_held(lock: *mut Lock) -> i32;
    fn redislock_lock_remaining_ms(lock: *mut Lock) -> i64;
    fn redislock_lock_fence(lock: *mut Lock) -> u64;
    fn redislock_lock_name(lock: *mut Lock, length: *mut usize) -> *const c_char;
    fn redislock_lock_error(lock: *mut Lock, text: *mut c_char, size: usize) -> i32;
    fn redislock_strerror(status: i32) -> *const c_char;
}

fn new_lock(client: *mut Client, kind: i32, name: &[u8]) -> *mut Lock {
    let mut lock = null_mut();
    let status = unsafe { redislock_lock_new(client, kind, name.as_ptr().cast(), name.len(), &mut lock) };
    assert_eq!(status, REDISLOCK_OK);
    lock
}

/// The error text of a lock, read into a buffer of which the library is told `size` bytes.
fn error(lock: *mut Lock, size: usize) -> CString {
    let mut text = [0 as c_char; 256];
    assert!(size <= text.len());
    unsafe {
        assert_eq!(redislock_lock_error(lock, text.as_mut_ptr(), size), REDISLOCK_OK);
        CStr::from_ptr(text.as_ptr()).to_owned()
    }
}

fn main() {
    let url = CString::new(std::env::args().nth(1).expect("URL")).unwrap();
    let nonsense = CString::new("nonsense").unwrap();
    let mut client = null_mut();
    unsafe {
        assert_eq!(redislock_client_new(nonsense.as_ptr(), &mut client), REDISLOCK_INVALID_ARGUMENT);
        assert!(client.is_null());
        assert_eq!(redislock_client_new(url.as_ptr(), &mut client), REDISLOCK_OK);

        let free = new_lock(client, REDISLOCK_KIND_SPIN, b"free");
        assert_eq!(redislock_lock_set_ttl_ms(free, (1 << 53) - 1), REDISLOCK_OK);
        assert_eq!(redislock_lock_acquire(free), REDISLOCK_OK);
        assert_eq!(redislock_lock_acquire(free), REDISLOCK_IN_USE);
        assert!((1 << 52..1 << 53).contains(&redislock_lock_remaining_ms(free)));
        assert_eq!(redislock_lock_extend(free, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
        assert_eq!(redislock_lock_remaining_ms(free), REDISLOCK_NO_EXPIRY);
        assert_eq!(redislock_lock_is_held(free), 1);
        assert_eq!(redislock_lock_release(free), REDISLOCK_OK);
        assert_eq!(redislock_lock_is_held(free), 0);

        let name = b"ffi\0lock";
        let lock = new_lock(client, REDISLOCK_KIND_PUBSUB, name);
        let mut length = 0;
        let borrowed = redislock_lock_name(lock, &mut length);
        assert_eq!(std::slice::from_raw_parts(borrowed.cast::<u8>(), length), name);
        assert_eq!(redislock_lock_set_wait_ms(lock, 0), REDISLOCK_OK);
        assert_eq!(redislock_lock_acquire(lock), REDISLOCK_NOT_ACQUIRED);
        assert_eq!(redislock_lock_fence(lock), 0);
        assert_eq!(redislock_lock_set_wait_ms(lock, 60000), REDISLOCK_OK);
        assert_eq!(redislock_lock_acquire(lock), REDISLOCK_OK);
        assert_eq!(redislock_lock_fence(lock), 9007199254740991);
        assert_eq!(redislock_lock_release(lock), REDISLOCK_OK);
        assert_eq!(redislock_lock_release(lock), REDISLOCK_NOT_OWNED);

        let not_owned = CStr::from_ptr(redislock_strerror(REDISLOCK_NOT_OWNED));
        assert_eq!(error(lock, 256).as_bytes(), not_owned.to_bytes());
        assert_eq!(error(lock, 8).as_bytes(), &not_owned.to_bytes()[..7]);

        redislock_lock_free(lock);
        redislock_lock_free(free);
        redislock_client_free(client);
    }
}
