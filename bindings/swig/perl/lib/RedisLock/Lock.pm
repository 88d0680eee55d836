# SPDX-License-Identifier: MIT

package RedisLock::Lock;

use strict;
use warnings;

use RedisLock::Error   ();
use RedisLock::Guard   ();
use RedisLock::Native  ();
use RedisLock::Options ();

use constant SHOWN => 64;

my @TERMS = qw(wait ttl renew);

# Private: see RedisLock's lock and spin_lock.
sub new {
    my ($class, $client, $handle, $kind, $name, @options) = @_;
    my $spins   = $kind == $RedisLock::Native::KIND_SPIN;
    my $options = RedisLock::Options::named([@TERMS, qw(owner token), $spins ? qw(interval growth max_interval) : ()], @options);
    my $self    = bless {
        client => $client,
        name   => RedisLock::Options::name($name),
        owner  => RedisLock::Options::bytes('owner', $options->{owner}),
        terms  => terms($options, {wait => 60_000, ttl => 30_000, renew => undef}),
        told   => {wait => -2, ttl => -2, renew => undef},
    }, $class;
    my $token = RedisLock::Options::bytes('token', $options->{token});
    my $pauses = $spins ? pauses($options) : undef;
    (my $status, $self->{handle}) = RedisLock::Native::lock_new($handle, $kind, $self->{name});
    $self->check($status);
    $self->check(RedisLock::Native::lock_set_owner($self->{handle}, $self->{owner}),
        'owner: up to 255 bytes without control characters expected')
        if defined $self->{owner};
    $self->check(RedisLock::Native::lock_set_token($self->{handle}, $token),
        'token: 1 to 128 printable ASCII characters without spaces expected')
        if defined $token;
    $self->set_pauses($pauses) if $pauses;
    return $self;
}

# ---- taking and releasing ----

sub acquire {
    my ($self, @options) = @_;
    $self->prepare(RedisLock::Options::named(\@TERMS, @options));
    $self->check(RedisLock::Native::lock_acquire($self->{handle}));
    return $self;
}

sub try_acquire {
    my ($self, @options) = @_;
    my $options = RedisLock::Options::named([qw(ttl renew)], @options);
    $self->prepare({%$options, wait => 0});
    my $status = RedisLock::Native::lock_acquire($self->{handle});
    return 0 if $status == $RedisLock::Native::NOT_ACQUIRED;
    $self->check($status);
    return 1;
}

sub guard {
    my ($self, @options) = @_;
    RedisLock::Options::refuse('guard: its result has to be kept, as the lock is released with it') if !defined wantarray;
    return RedisLock::Guard->new($self, @options);
}

sub run {
    my ($self, $code, @options) = @_;
    RedisLock::Options::refuse('run: code expected') if ref $code ne 'CODE';
    my $guard  = $self->guard(@options);
    my @result = wantarray ? $code->($self) : scalar $code->($self);
    $guard->release;
    return wantarray ? @result : $result[0];
}

sub release {
    my ($self) = @_;
    $self->check(RedisLock::Native::lock_release($self->{handle}));
    return;
}

sub extend {
    my ($self, $ttl) = @_;
    my $ms = RedisLock::Options::milliseconds('ttl', $ttl, RedisLock::Options::TTL)
        // ($self->{told}{ttl} == -2 ? $self->{terms}{ttl} : $self->{told}{ttl});
    $self->check(RedisLock::Native::lock_extend($self->{handle}, $ms));
    return;
}

# ---- what it tells of itself ----

sub is_held { RedisLock::Native::lock_is_held($_[0]{handle}) == 1 }

sub remaining {
    my $ms = RedisLock::Native::lock_remaining_ms($_[0]{handle});
    return $ms == $RedisLock::Native::NO_EXPIRY ? RedisLock::Options::INFINITY : $ms / 1000;
}

sub fence { RedisLock::Native::lock_fence($_[0]{handle}) }

sub token {
    my ($status, $token) = RedisLock::Native::lock_token($_[0]{handle});
    return $status == $RedisLock::Native::OK && $token ne '' ? $token : undef;
}

sub channel { RedisLock::Native::lock_channel($_[0]{handle}) }

sub place {
    my $place = RedisLock::Native::lock_place($_[0]{handle});
    return $place < 0 ? undef : $place;
}

sub name   { $_[0]{name} }
sub owner  { $_[0]{owner} }
sub client { $_[0]{client} }

# ---- private ----

# Wait, TTL and renewal of options, over others. A TTL of the caller's own isn't renewed unless that is asked for.
sub terms {
    my ($options, $others) = @_;
    my $ttl   = RedisLock::Options::milliseconds('ttl', $options->{ttl}, RedisLock::Options::TTL);
    my $renew = defined $options->{renew} ? ($options->{renew} ? 1 : 0) : $others->{renew};
    return {
        wait  => RedisLock::Options::milliseconds('wait', $options->{wait}, RedisLock::Options::WAIT) // $others->{wait},
        ttl   => $ttl   // $others->{ttl},
        renew => $renew // (defined $ttl ? 0 : undef),
    };
}

sub pauses {
    my ($options) = @_;
    my $pauses = {
        interval     => RedisLock::Options::milliseconds('interval', $options->{interval}, RedisLock::Options::TIMEOUT),
        growth       => RedisLock::Options::number('growth', $options->{growth}, 1, 10, 'a number from 1 to 10'),
        max_interval =>
            RedisLock::Options::milliseconds('max_interval', $options->{max_interval}, RedisLock::Options::TIMEOUT),
    };
    RedisLock::Options::refuse('growth and max_interval: both or none expected')
        if defined $pauses->{growth} != defined $pauses->{max_interval};
    return $pauses;
}

sub set_pauses {
    my ($self, $pauses) = @_;
    my $handle = $self->{handle};
    $self->check(RedisLock::Native::lock_set_spin_interval_ms($handle, $pauses->{interval})) if defined $pauses->{interval};
    $self->check(RedisLock::Native::lock_set_spin_growth($handle, int($pauses->{growth} * 100 + 0.5), $pauses->{max_interval}))
        if defined $pauses->{growth};
    return;
}

# Tells the library what it doesn't know yet.
sub prepare {
    my ($self, $options) = @_;
    my ($handle, $told, $terms) = @$self{qw(handle told)};
    $terms = %$options ? terms($options, $self->{terms}) : $self->{terms};
    my $renew = $terms->{renew} // 1;
    if ($terms->{wait} != $told->{wait}) {
        $self->check(RedisLock::Native::lock_set_wait_ms($handle, $terms->{wait}));
        $told->{wait} = $terms->{wait};
    }
    return if $terms->{ttl} == $told->{ttl} && $renew == $told->{renew};
    $self->check(RedisLock::Native::lock_set_ttl_ms($handle, $terms->{ttl}));
    $self->check(RedisLock::Native::lock_set_renewal($handle, $renew));
    @$told{qw(ttl renew)} = ($terms->{ttl}, $renew);
    return;
}

# The name, for people.
sub shown {
    my ($self) = @_;
    my $shown = substr $self->{name}, 0, SHOWN;
    $shown =~ s/[^ -~]/?/g;
    return length $self->{name} > SHOWN ? "'$shown...'" : "'$shown'";
}

sub check {
    my ($self, $status, $expected) = @_;
    return if $status == $RedisLock::Native::OK;
    RedisLock::Options::refuse($expected) if defined $expected && $status == $RedisLock::Native::INVALID_ARGUMENT;
    RedisLock::Error->throw($status, $self->shown . ': ', sub { (RedisLock::Native::lock_error($self->{handle}))[1] });
}

1;

__END__

=encoding utf8

=head1 NAME

RedisLock::Lock - a lock of one name

=head1 SYNOPSIS

    my $lock = RedisLock->new->lock('report', ttl => 60);

    my $guard = $lock->guard(wait => 10);               # released with its scope

    my $pages = $lock->run(sub { write_report() });     # released behind it

    $lock->release if $lock->try_acquire;

=head1 DESCRIPTION

Made by L<RedisLock/lock> or L<RedisLock/spin_lock>. An object holds its lock at most once; two objects of one name exclude
each other, also in one process. A lock whose last reference goes while it is held is released, and so are all when Perl
ends.

=head2 Taking and releasing

Failures die with a L<RedisLock::Error>. The options of C<acquire> and the like count for that call only; they are
C<wait>, C<ttl> and C<renew> of L<RedisLock/lock>.

=over

=item acquire(%options)

Takes the lock, waiting as long as told, and returns the object itself. Dies with a RedisLock::Error::NotAcquired when
the wait ended first; ::InUse when it is held already; ::Lost when the last hold was lost and nobody was told yet: the
lock is free again.

Signals reach a waiting program at once. If a handler of C<%SIG> dies (as one of C<ALRM> may, for C<alarm>) the wait is
given up; else it goes on, in its place in the queue. Other calls take no longer than the client's timeouts.

=item try_acquire(%options)

Takes the lock if that can be done at once: true or false. There is no C<wait>.

=item guard(%options)

Takes the lock, and returns a L<RedisLock::Guard> that releases it when it is freed.

=item run($code, %options)

Takes the lock, calls the code with the object, and releases it however the code ends. Returns what the code returns. The
release never hides what the code died of; after good code it dies of what went wrong, as a RedisLock::Error::Lost if the
lock was lost meanwhile. A lock that the code released itself is fine.

=item release

Hands the lock to the first waiter. Dies with a RedisLock::Error::NotOwned when this object doesn't hold it, and with
::Lost when the hold had ended before. After another failure it may stay locked until its TTL ends, and is renewed no
more; releasing can be tried again.

=item extend($ttl)

Sets the lease to a TTL from now on; without one to that of the last acquire. A renewed lease goes on with it.

=back

=head2 What it tells of itself

Nothing of this asks the server.

=over

=item is_held

Whether it is held still, by this process's own clock.

=item remaining

How long it is sure to be held still, if nothing renews it: seconds, C<inf> without an end, 0 when it isn't held.

=item fence

The fencing token of the present or last hold: an integer below 2**53 that rises with every grant of this name, so that a
resource which remembers the highest it has seen can refuse a late holder. 0 before the first.

=item token

What tells this hold from others; undef before the first.

=item place

How many wait before it in the queue, as last heard; undef when it doesn't wait there.

=item name, owner, client

As it was made.

=item channel

The channel where releases are announced to others than redislock.

=back

=cut
