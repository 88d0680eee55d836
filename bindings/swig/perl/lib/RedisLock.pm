# SPDX-License-Identifier: MIT

package RedisLock;

use 5.030;
use strict;
use warnings;

use RedisLock::Error   ();
use RedisLock::Lock    ();
use RedisLock::Native  ();
use RedisLock::Options ();

our $VERSION = '1.0.0';

use constant DEFAULT_URL => 'redis://127.0.0.1:6379/0';

sub new {
    my $class = shift;
    my $url   = RedisLock::Options::text('url', @_ % 2 ? shift : undef);
    my $options =
        RedisLock::Options::named([qw(connect_timeout command_timeout name user password)], @_);
    my %text = map { $_ => RedisLock::Options::text($_, $options->{$_}) } qw(name user password);
    my %ms   = map { $_ => RedisLock::Options::milliseconds($_, $options->{$_}, RedisLock::Options::TIMEOUT) }
        qw(connect_timeout command_timeout);
    $url //= $ENV{REDISLOCK_URL} // '';
    $url = DEFAULT_URL if $url eq '';
    my ($status, $handle) = RedisLock::Native::client_new($url);
    if ($status != $RedisLock::Native::OK) {
        my $text = (RedisLock::Native::url_error($url))[1];
        RedisLock::Options::refuse("url: $text") if $status == $RedisLock::Native::INVALID_ARGUMENT;
        RedisLock::Error->throw($status, '', sub { $text });
    }
    my $self = bless {handle => $handle}, $class;
    # Handlers of %SIG run as soon as the wait has come back.
    $self->check(RedisLock::Native::client_set_interruptible($handle, 1));
    $self->check(RedisLock::Native::client_set_connect_timeout_ms($handle, $ms{connect_timeout}))
        if defined $ms{connect_timeout};
    $self->check(RedisLock::Native::client_set_command_timeout_ms($handle, $ms{command_timeout}))
        if defined $ms{command_timeout};
    $self->check(RedisLock::Native::client_set_name($handle, $text{name}),
        'name: up to 255 printable ASCII characters without spaces expected')
        if defined $text{name};
    $self->set_credentials(user => $text{user}, password => $text{password})
        if defined $text{user} || defined $text{password};
    return $self;
}

sub lock {
    my ($self, @arguments) = @_;
    return RedisLock::Lock->new($self, $self->{handle}, $RedisLock::Native::KIND_PUBSUB, @arguments);
}

sub spin_lock {
    my ($self, @arguments) = @_;
    return RedisLock::Lock->new($self, $self->{handle}, $RedisLock::Native::KIND_SPIN, @arguments);
}

sub connect {
    my ($self) = @_;
    $self->check(RedisLock::Native::client_connect($self->{handle}));
    return $self;
}

sub ping {
    my ($self) = @_;
    $self->check(RedisLock::Native::client_ping($self->{handle}));
    return 1;
}

sub status {
    my ($self, $name) = @_;
    $name = RedisLock::Options::name($name);
    my ($status, $info) = RedisLock::Native::info_get($self->{handle}, $name);
    $self->check($status);
    my $remaining = RedisLock::Native::info_remaining_ms($info);
    my ($token, $owner) = map { $_ eq '' ? undef : $_ } RedisLock::Native::info_token($info), RedisLock::Native::info_owner($info);
    return {
        name      => $name,
        locked    => RedisLock::Native::info_locked($info) == 1,
        token     => $token,
        owner     => $owner,
        remaining => $remaining == $RedisLock::Native::NO_EXPIRY ? RedisLock::Options::INFINITY : $remaining / 1000,
        waiters   => RedisLock::Native::info_waiters($info),
        fence     => RedisLock::Native::info_fence($info),
    };
}

sub list {
    my ($self, $pattern) = @_;
    $pattern = RedisLock::Options::text('pattern', $pattern);
    my ($status, $list) = RedisLock::Native::list_new($self->{handle}, $pattern);
    $self->check($status, 'pattern: up to 4096 bytes expected');
    my (%names, $name);
    while (1) {
        ($status, $name) = RedisLock::Native::list_next($list);
        last if $status == $RedisLock::Native::END;
        $self->check($status);
        $names{$name} = 1;
    }
    my @names = sort keys %names;
    return @names;
}

sub force_release {
    my ($self, $name, @options) = @_;
    $name = RedisLock::Options::name($name);
    my $token  = RedisLock::Options::bytes('token', RedisLock::Options::named(['token'], @options)->{token});
    my $status = RedisLock::Native::client_break($self->{handle}, $name, $token);
    return 0 if $status == $RedisLock::Native::NOT_LOCKED;
    $self->check($status, 'token: 1 to 128 printable ASCII characters without spaces expected');
    return 1;
}

sub set_credentials {
    my ($self, @options) = @_;
    my $options = RedisLock::Options::named([qw(user password)], @options);
    my ($user, $password) = map { RedisLock::Options::text($_, $options->{$_}) } qw(user password);
    $self->check(RedisLock::Native::client_set_credentials($self->{handle}, $user, $password),
        'user and password: up to 4096 bytes, and no user without a password, expected');
    return $self;
}

sub lost_handle {
    my ($self) = @_;
    if (!$self->{lost_handle}) {
        my $fd = RedisLock::Native::client_lost_fd($self->{handle});
        $self->check($fd) if $fd < 0;
        # One of its own, as the library closes the other with the client.
        open my $handle, '<&', $fd or RedisLock::Error->throw($RedisLock::Native::NO_MEMORY, '', undef);
        binmode $handle;
        $self->{lost_handle} = $handle;
    }
    return $self->{lost_handle};
}

sub has {
    my (undef, $feature) = @_;
    return RedisLock::Native::has(RedisLock::Options::text('feature', $feature) // '') == 1;
}

sub library_version { RedisLock::Native::version_string() }

# Private.
sub check {
    my ($self, $status, $expected) = @_;
    return if $status == $RedisLock::Native::OK;
    RedisLock::Options::refuse($expected) if defined $expected && $status == $RedisLock::Native::INVALID_ARGUMENT;
    RedisLock::Error->throw($status, '', sub { (RedisLock::Native::client_error($self->{handle}))[1] });
}

1;

__END__

=encoding utf8

=head1 NAME

RedisLock - a distributed lock that lives in Redis or Valkey

=head1 SYNOPSIS

    use RedisLock;

    my $client = RedisLock->new('redis://127.0.0.1:6379');
    {
        my $guard = $client->lock('report')->guard(wait => 10);
        print $guard->fence, "\n";
    }   # released here, also when something dies

=head1 DESCRIPTION

Waiters queue and are woken in order, one at a time; a crash frees the lock by itself; every hold has a fencing token.

An object of this class is a server with its connections. It connects at its first use; the connections are closed when it
and all of its locks are gone.

Times are numbers of seconds, fractions included; C<'inf'> stands for ever, where that is allowed. Options are pairs of a
name and a value; one that is undef is as if it weren't there. Names and other texts are bytes: what has wide characters
has to be encoded first.

Failures die with a L<RedisLock::Error>; misuse with a text that names the option.

=head2 Methods

=over

=item new($url, %options)

C<$url> is C<redis://[user[:password]@]host[:port][/db]>, the same with C<rediss://> for TLS (whom to trust and who one is
stand in it, too: C<?ca=FILE&cert=FILE&key=FILE>), C<redis+cluster://host[:port],host[:port]...> for a cluster, with
Sentinel C<redis+sentinel://host[:port],host[:port].../service[/db]>, or C<unix:///path[?db=N]>. It may be left out: then
that of the environment variable C<REDISLOCK_URL> counts, else C<redis://127.0.0.1:6379/0>.

=over

=item connect_timeout, command_timeout

How long connecting, and an answer of the server, may take: 0.001 to 2147483; 5 by default. The latter bounds every call
but a wait for a lock.

=item name

Of the connections, as in CLIENT LIST: up to 255 printable ASCII characters without spaces.

=item user, password

In place of the URL's; no user without a password.

=back

=item lock($name, %options)

A L<RedisLock::Lock> whose waiters queue, and are woken in order. Nothing is sent. The name is 1 to 32768 bytes of any
kind, not beginning with C<rlock-queue:> or C<rlock-state:>.

=over

=item wait

How long to wait: 0 tries once, C<'inf'> waits for ever; 60 by default.

=item ttl

How long the lock outlives its holder's last sign of life: from 0.001; 30 by default. With C<'inf'> no crash will ever free
it.

=item renew

Whether the lease is kept alive until the release; so it is, unless a C<ttl> is given.

=item owner

A label that tells people who holds it: up to 255 bytes without control characters.

=item token

1 to 128 printable ASCII characters without spaces, instead of a new random one for each hold. Whoever sets one gives up the
guarantee that a stale release never ends a later hold.

=back

=item spin_lock($name, %options)

A L<RedisLock::Lock> whose waiters try again at an interval, and have no place in the queue. Options are those of C<lock>
and

=over

=item interval

The pause between two tries: 0.001 to 2147483; 0.1 by default.

=item growth, max_interval

Each pause is so many times the last one, 1 to 10, up to so many seconds. Both or none.

=back

=item connect

Connects now, if it isn't, so that a wrong address or password is known early. Returns the object.

=item ping

Asks the server for a sign of life, and returns true.

=item status($name)

Who holds a name, as a reference to a hash: C<name>, C<locked>, C<token> and C<owner> (undef for none), C<remaining> (0 when
it isn't locked, C<inf> without an end), C<waiters> (those in the queue), C<fence> (the last one, 0 for none).

=item list($pattern)

The names that redislock has locked now. The pattern is one of the shell. What others have locked has no state on the
server and isn't found.

=item force_release($name, token => $token)

Releases a lock by force, whoever holds it, or only if that token does: an operator's tool. The holder learns it at its
next renewal; until then only the fence tells the two apart. False when there was nothing to release.

=item set_credentials(user => $user, password => $password)

For the next connect, in place of those of the URL; none without arguments. Open connections stay as they are.

=item lost_handle

A file handle for select and the like: it becomes readable when a lease under renewal could not be kept. Reading 8 bytes
by sysread re-arms it.

=item has($feature)

Whether the library was built with a feature, as C<< RedisLock->has('tls') >>; false for any that it doesn't know.

=item library_version

That of the C library which is loaded, as in C<1.0.0>.

=back

=head2 Processes and threads

In a child process what was inherited dies with a RedisLock::Error::Forked and leaves the parent's lock alone: a child makes
a client of its own. So does a thread: there every call with what was inherited dies.

=head1 SEE ALSO

L<RedisLock::Lock>, L<RedisLock::Guard>, L<RedisLock::Error>

=cut
