<?php
// SPDX-License-Identifier: MIT
// The scenario (see run) through PHP's FFI: the header is the only description of the library.
// Arguments: HEADER LIBRARY URL.
declare(strict_types=1);

[, $header, $library, $url] = $argv;
$c = FFI::cdef(file_get_contents($header), $library);

function expect(mixed $got, mixed $wanted): void
{
    if ($got !== $wanted) {
        throw new Exception(var_export($got, true) . ' instead of ' . var_export($wanted, true));
    }
}

$client = $c->new('redislock_client *');
$free = $c->new('redislock_lock *');
$lock = $c->new('redislock_lock *');
$length = $c->new('size_t');
expect($c->redislock_client_new('nonsense', FFI::addr($client)), $c->REDISLOCK_INVALID_ARGUMENT);
expect(FFI::isNull($client), true);
expect($c->redislock_client_new($url, FFI::addr($client)), $c->REDISLOCK_OK);

expect($c->redislock_lock_new($client, $c->REDISLOCK_KIND_SPIN, 'free', 4, FFI::addr($free)), $c->REDISLOCK_OK);
expect($c->redislock_lock_set_ttl_ms($free, 2 ** 53 - 1), $c->REDISLOCK_OK);
expect($c->redislock_lock_acquire($free), $c->REDISLOCK_OK);
expect($c->redislock_lock_acquire($free), $c->REDISLOCK_IN_USE);
$remaining = $c->redislock_lock_remaining_ms($free);
expect(2 ** 52 < $remaining && $remaining < 2 ** 53, true);
expect($c->redislock_lock_extend($free, $c->REDISLOCK_NO_EXPIRY), $c->REDISLOCK_OK);
expect($c->redislock_lock_remaining_ms($free), $c->REDISLOCK_NO_EXPIRY);
expect($c->redislock_lock_is_held($free), 1);
expect($c->redislock_lock_release($free), $c->REDISLOCK_OK);
expect($c->redislock_lock_is_held($free), 0);

$name = "ffi\0lock";
$status = $c->redislock_lock_new($client, $c->REDISLOCK_KIND_PUBSUB, $name, strlen($name), FFI::addr($lock));
expect($status, $c->REDISLOCK_OK);
// PHP makes a string of a const char * as it comes back, and ends it at the first NUL.
expect($c->redislock_lock_name($lock, FFI::addr($length)), 'ffi');
expect($length->cdata, strlen($name));
expect($c->redislock_lock_set_wait_ms($lock, 0), $c->REDISLOCK_OK);
expect($c->redislock_lock_acquire($lock), $c->REDISLOCK_NOT_ACQUIRED);
expect($c->redislock_lock_fence($lock), 0);
expect($c->redislock_lock_set_wait_ms($lock, 60000), $c->REDISLOCK_OK);
expect($c->redislock_lock_acquire($lock), $c->REDISLOCK_OK);
expect($c->redislock_lock_fence($lock), 2 ** 53 - 1);
expect($c->redislock_lock_release($lock), $c->REDISLOCK_OK);
expect($c->redislock_lock_release($lock), $c->REDISLOCK_NOT_OWNED);

$text = $c->new('char[256]');
$not_owned = $c->redislock_strerror($c->REDISLOCK_NOT_OWNED);
expect($c->redislock_lock_error($lock, $text, FFI::sizeof($text)), $c->REDISLOCK_OK);
expect(FFI::string($text), $not_owned);
expect($c->redislock_lock_error($lock, $text, 8), $c->REDISLOCK_OK);
expect(FFI::string($text), substr($not_owned, 0, 7));

$c->redislock_lock_free($lock);
$c->redislock_lock_free($free);
$c->redislock_client_free($client);
