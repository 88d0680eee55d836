# SPDX-License-Identifier: MIT

package RedisLock::Guard;

use strict;
use warnings;

use RedisLock::Native ();

sub CLONE_SKIP { 1 }

# Private. Made before its lock is taken, so that a signal's handler that dies can't come in between; fence: that of the
# hold before.
sub new {
    my ($class, $lock) = @_;
    return bless {lock => $lock, before => $lock->fence}, $class;
}

# Private: the lock is taken.
sub arm {
    my ($self) = @_;
    $self->{fence} = $self->{lock}->fence;
    return $self;
}

sub lock { $_[0]{lock} }

sub fence { $_[0]{fence} }

sub release {
    my ($self) = @_;
    my $status = $self->give_up;
    $self->{lock}->check($status);
    return;
}

# Private: ends the hold that is this guard's, if it hasn't been ended. A hold that a fork inherits is the parent's.
sub give_up {
    my ($self) = @_;
    my $lock   = $self->{lock};
    my $mine   = defined $self->{fence} ? $lock->fence == $self->{fence} : $lock->is_held && $lock->fence != $self->{before};
    return $RedisLock::Native::OK if !$mine || $self->{over};
    my $status = RedisLock::Native::lock_release($lock->{handle});
    $self->{over} = 1;
    return $RedisLock::Native::OK
        if $status == $RedisLock::Native::NOT_OWNED || $status == $RedisLock::Native::FORKED;
    return $status;
}

sub DESTROY {
    my ($self) = @_;
    # When Perl ends the locks release themselves, in any order.
    return if ${^GLOBAL_PHASE} eq 'DESTRUCT';
    local ($@, $!, $?);
    my $status = $self->give_up;
    return if $status == $RedisLock::Native::OK;
    eval { $self->{lock}->check($status) };
    warn "(in cleanup) $@";
}

1;

__END__

=encoding utf8

=head1 NAME

RedisLock::Guard - holds a lock until the end of its scope

=head1 SYNOPSIS

    {
        my $guard = RedisLock->new->lock('report')->guard(wait => 10);
        print $guard->fence;
    }   # released here, also when something dies

=head1 DESCRIPTION

A guard, made by L<RedisLock::Lock/guard>, releases its lock when it is freed, unless that has been done before. A release
that fails then, as when the lock was lost meanwhile, is a warning: it never hides what the scope died of. Who must know
calls C<release>.

=head2 Methods

=over

=item release

Releases the lock now. Dies with a L<RedisLock::Error> if that fails; does nothing when it has been released already.

=item lock

The L<RedisLock::Lock>.

=item fence

The fencing token of this hold.

=back

=cut
