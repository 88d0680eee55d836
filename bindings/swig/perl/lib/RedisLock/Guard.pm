# SPDX-License-Identifier: MIT

package RedisLock::Guard;

use strict;
use warnings;

use RedisLock::Native ();

# Private. What ends the hold is made before the lock is taken: a signal's handler that dies may come in between. It is
# freed with the guard, without a destructor in Perl, which such a handler could cut short.
sub new {
    my ($class, $lock, @options) = @_;
    my $hold = RedisLock::Native::hold_new($lock->{handle}, $lock->{handle}, $lock->shown . ': ');
    $lock->acquire(@options);
    RedisLock::Native::hold_arm($hold);
    return bless {lock => $lock, hold => $hold, fence => $lock->fence}, $class;
}

sub lock { $_[0]{lock} }

sub fence { $_[0]{fence} }

sub release {
    my ($self) = @_;
    $self->{lock}->check(RedisLock::Native::hold_end($self->{hold}));
    return;
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
