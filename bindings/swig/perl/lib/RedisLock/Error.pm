# SPDX-License-Identifier: MIT

package RedisLock::Error;

use strict;
use warnings;

use RedisLock::Native ();
use overload '""' => \&stringify, bool => sub { 1 }, fallback => 1;

# Classes under this one, with their parents; see the end of this file for what they stand for.
my %PARENT = (
    NotAcquired       => '',
    NotOwned          => '',
    Lost              => 'NotOwned',
    InUse             => '',
    Forked            => '',
    Unsupported       => '',
    Resource          => '',
    Internal          => '',
    Connection        => '',
    CannotConnect     => 'Connection',
    Untrusted         => 'Connection',
    ConnectionLost    => 'Connection',
    Timeout           => 'Connection',
    Protocol          => 'Connection',
    Server            => '',
    Authentication    => 'Server',
    Permission        => 'Server',
    ReadOnly          => 'Server',
    NotEnoughReplicas => 'Server',
    WrongType         => 'Server',
);
for my $class (keys %PARENT) {
    no strict 'refs';
    my $parent = $PARENT{$class};
    @{"RedisLock::Error::${class}::ISA"} = $parent eq '' ? __PACKAGE__ : "RedisLock::Error::$parent";
}

my %CLASS = (
    $RedisLock::Native::NOT_ACQUIRED        => 'NotAcquired',
    $RedisLock::Native::NO_MEMORY           => 'Resource',
    $RedisLock::Native::NOT_OWNED           => 'NotOwned',
    $RedisLock::Native::LOST                => 'Lost',
    $RedisLock::Native::TIMEOUT             => 'Timeout',
    $RedisLock::Native::CONNECTION_REFUSED  => 'CannotConnect',
    $RedisLock::Native::CONNECTION_LOST     => 'ConnectionLost',
    $RedisLock::Native::UNTRUSTED           => 'Untrusted',
    $RedisLock::Native::PROTOCOL            => 'Protocol',
    $RedisLock::Native::SERVER              => 'Server',
    $RedisLock::Native::AUTHENTICATION      => 'Authentication',
    $RedisLock::Native::PERMISSION          => 'Permission',
    $RedisLock::Native::READ_ONLY           => 'ReadOnly',
    $RedisLock::Native::NOT_ENOUGH_REPLICAS => 'NotEnoughReplicas',
    $RedisLock::Native::FORKED              => 'Forked',
    $RedisLock::Native::UNSUPPORTED         => 'Unsupported',
    $RedisLock::Native::IN_USE              => 'InUse',
    $RedisLock::Native::WRONG_TYPE          => 'WrongType',
);

# What never came from the server: a handle's text is about something earlier.
my %TEXTLESS = map { $_ => 1 } $RedisLock::Native::NOT_ACQUIRED, $RedisLock::Native::NO_MEMORY,
    $RedisLock::Native::FORKED, $RedisLock::Native::IN_USE, $RedisLock::Native::INVALID_ARGUMENT;

# Private: dies with what stands for a status. about: what precedes the text; text: code that gets that of the handle.
sub throw {
    my (undef, $status, $about, $text) = @_;
    my $message = $TEXTLESS{$status} ? '' : $text->();
    $message = RedisLock::Native::strerror($status) if $message eq '';
    my $class = $CLASS{$status} // 'Internal';
    my ($file, $line) = place();
    die bless {message => "$about$message", file => $file, line => $line}, "RedisLock::Error::$class";
}

# Private: file and line of the call that came from outside of these modules.
sub place {
    my $level = 0;
    while (my ($package, $file, $line) = caller $level++) {
        return ($file, $line) if $package !~ /\ARedisLock(?:::|\z)/;
    }
    return ($0, 0);
}

sub message { $_[0]{message} }
sub file    { $_[0]{file} }
sub line    { $_[0]{line} }

sub stringify {
    my ($self) = @_;
    return "$self->{message} at $self->{file} line $self->{line}.\n";
}

1;

__END__

=encoding utf8

=head1 NAME

RedisLock::Error - what goes wrong with a lock

=head1 SYNOPSIS

    my $guard = eval { $lock->guard(wait => 10) };
    if (ref $@ && $@->isa('RedisLock::Error::NotAcquired')) { ... }
    die $@ if $@;

=head1 DESCRIPTION

Failures are objects that read as a text, with the place in the program where the call stands. Misuse is told by an
ordinary text instead, which names the option.

=head2 Methods

=over

=item message

The text, without the place.

=item file, line

The place.

=back

=head2 Classes

=over

=item RedisLock::Error

The parent of all.

=item RedisLock::Error::NotAcquired

Somebody else held the lock until the wait ended.

=item RedisLock::Error::NotOwned

This object doesn't hold the lock.

=item RedisLock::Error::Lost

A NotOwned: this object held the lock, which ended before it was released.

=item RedisLock::Error::InUse

This object holds the lock already; or its token is used by another one.

=item RedisLock::Error::Forked

The client was made before a fork, in the parent process.

=item RedisLock::Error::Unsupported

This build, or this server, can't do that.

=item RedisLock::Error::Resource

Out of memory, descriptors or threads.

=item RedisLock::Error::Internal

A bug of redislock: please report it.

=item RedisLock::Error::Connection

The parent of what is wrong with the connection:

=item RedisLock::Error::CannotConnect

No connection could be made.

=item RedisLock::Error::Untrusted

TLS: the server's certificate can't be trusted.

=item RedisLock::Error::ConnectionLost

The connection broke and could not be restored in time.

=item RedisLock::Error::Timeout

The server didn't answer in time.

=item RedisLock::Error::Protocol

The peer doesn't talk like a Redis server.

=item RedisLock::Error::Server

The server answered with an error, which the text repeats. The parent of some that are known:

=item RedisLock::Error::Authentication

The server wants other credentials.

=item RedisLock::Error::Permission

The server's access rules forbid it.

=item RedisLock::Error::ReadOnly

The server is a read-only replica.

=item RedisLock::Error::NotEnoughReplicas

Too few replicas took part.

=item RedisLock::Error::WrongType

A key of that name exists and is no lock; it was left alone.

=back

=cut
