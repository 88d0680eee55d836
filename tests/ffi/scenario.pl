# SPDX-License-Identifier: MIT
# The scenario (see run) through FFI::Platypus, declared by hand. Arguments: LIBRARY URL.
use v5.32;
use warnings;
use Carp qw(croak);
use FFI::Platypus 1.00;
use FFI::Platypus::Buffer qw(buffer_to_scalar scalar_to_buffer);

use constant {
	REDISLOCK_OK               => 0,
	REDISLOCK_NOT_ACQUIRED     => 1,
	REDISLOCK_INVALID_ARGUMENT => -1,
	REDISLOCK_NOT_OWNED        => -3,
	REDISLOCK_IN_USE           => -18,
	REDISLOCK_KIND_PUBSUB      => 1,
	REDISLOCK_KIND_SPIN        => 2,
	REDISLOCK_NO_EXPIRY        => -1,
};

my ($library, $url) = @ARGV;
my $ffi = FFI::Platypus->new(api => 1, lib => $library);
$ffi->attach(redislock_client_new        => [qw(string opaque*)]                      => 'sint32');
$ffi->attach(redislock_client_free       => [qw(opaque)]                              => 'void');
$ffi->attach(redislock_lock_new          => [qw(opaque sint32 string size_t opaque*)] => 'sint32');
$ffi->attach(redislock_lock_free         => [qw(opaque)]                              => 'void');
$ffi->attach(redislock_lock_set_ttl_ms   => [qw(opaque sint64)]                       => 'sint32');
$ffi->attach(redislock_lock_set_wait_ms  => [qw(opaque sint64)]                       => 'sint32');
$ffi->attach(redislock_lock_acquire      => [qw(opaque)]                              => 'sint32');
$ffi->attach(redislock_lock_release      => [qw(opaque)]                              => 'sint32');
$ffi->attach(redislock_lock_extend       => [qw(opaque sint64)]                       => 'sint32');
$ffi->attach(redislock_lock_is_held      => [qw(opaque)]                              => 'sint32');
$ffi->attach(redislock_lock_remaining_ms => [qw(opaque)]                              => 'sint64');
$ffi->attach(redislock_lock_fence        => [qw(opaque)]                              => 'uint64');
$ffi->attach(redislock_lock_name         => [qw(opaque size_t*)]                      => 'opaque');
$ffi->attach(redislock_lock_error        => [qw(opaque opaque size_t)]                => 'sint32');
$ffi->attach(redislock_strerror          => [qw(sint32)]                              => 'string');

sub expect {
	my ($got, $wanted) = @_;
	croak(($got // 'undef') . " instead of $wanted") unless defined $got && $got eq $wanted;
}

my ($client, $free, $lock, $length);
expect(redislock_client_new('nonsense', \$client), REDISLOCK_INVALID_ARGUMENT);
expect(defined $client ? 'a handle' : 'none', 'none');
expect(redislock_client_new($url, \$client), REDISLOCK_OK);

expect(redislock_lock_new($client, REDISLOCK_KIND_SPIN, 'free', 4, \$free), REDISLOCK_OK);
expect(redislock_lock_set_ttl_ms($free, 2**53 - 1), REDISLOCK_OK);
expect(redislock_lock_acquire($free), REDISLOCK_OK);
expect(redislock_lock_acquire($free), REDISLOCK_IN_USE);
my $remaining = redislock_lock_remaining_ms($free);
expect(2**52 < $remaining && $remaining < 2**53, 1);
expect(redislock_lock_extend($free, REDISLOCK_NO_EXPIRY), REDISLOCK_OK);
expect(redislock_lock_remaining_ms($free), REDISLOCK_NO_EXPIRY);
expect(redislock_lock_is_held($free), 1);
expect(redislock_lock_release($free), REDISLOCK_OK);
expect(redislock_lock_is_held($free), 0);

my $name = "ffi\0lock";
expect(redislock_lock_new($client, REDISLOCK_KIND_PUBSUB, $name, length $name, \$lock), REDISLOCK_OK);
my $borrowed = redislock_lock_name($lock, \$length);
expect(buffer_to_scalar($borrowed, $length), $name);
expect(redislock_lock_set_wait_ms($lock, 0), REDISLOCK_OK);
expect(redislock_lock_acquire($lock), REDISLOCK_NOT_ACQUIRED);
expect(redislock_lock_fence($lock), 0);
expect(redislock_lock_set_wait_ms($lock, 60_000), REDISLOCK_OK);
expect(redislock_lock_acquire($lock), REDISLOCK_OK);
expect(redislock_lock_fence($lock), '9007199254740991');
expect(redislock_lock_release($lock), REDISLOCK_OK);
expect(redislock_lock_release($lock), REDISLOCK_NOT_OWNED);

my $text = "\0" x 256;
my ($pointer, $size) = scalar_to_buffer($text);
my $not_owned = redislock_strerror(REDISLOCK_NOT_OWNED);
expect(redislock_lock_error($lock, $pointer, $size), REDISLOCK_OK);
expect(unpack('Z*', $text), $not_owned);
expect(redislock_lock_error($lock, $pointer, 8), REDISLOCK_OK);
expect(unpack('Z*', $text), substr($not_owned, 0, 7));

redislock_lock_free($lock);
redislock_lock_free($free);
redislock_client_free($client);
