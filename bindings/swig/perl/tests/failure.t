# SPDX-License-Identifier: MIT
# Every status of the header as an exception, or listed with the reason why no program can see it: failure.t HEADER

use strict;
use warnings;

use IO::Socket::UNIX ();
use POSIX            ();
use RedisLock;
use Test::More;
use TestServer;

my ($header) = @ARGV or die "usage: failure.t HEADER\n";
my $server = TestServer->start;
my %seen;
my %unseen = (
    OK               => 'no failure',
    NOT_LOCKED       => 'false of force_release',
    END              => 'the end of a list',
    INTERRUPTED      => "a wait that is interrupted goes on, or ends with what a signal's handler died of",
    INVALID_ARGUMENT => 'misuse, told by a text that names the argument',
    WRONG_MODE       => 'clients are of the blocking form',
    UNTRUSTED        => 'it takes a server with TLS, as in tests/integration/test_tls.c',
    NO_MEMORY        => 'it takes a machine without memory or descriptors',
    INTERNAL         => 'a bug of the library, or a kernel without random numbers',
);

sub client { RedisLock->new($server->url, command_timeout => 1, connect_timeout => 1, @_) }

sub is_failure {
    my ($status, $class, $code) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $error = dies_like($code, "RedisLock::Error::$class", $status);
    return '' if !ref $error;
    ok($error->isa('RedisLock::Error'), 'an error of this module');
    cmp_ok(length $error->message, '>', 10, 'with a text');
    unlike($error->message, qr/\b$status\b/, 'for people');
    is($error->file, __FILE__, 'and the place');
    is("$error", sprintf("%s at %s line %d.\n", $error->message, $error->file, $error->line), 'as any other');
    $seen{$status} = 1;
    return $error->message;
}

subtest 'outcomes', sub {
    my $client = client();
    my ($lock, $other) = ($client->lock('foo'), $client->lock('foo'));
    $lock->acquire;
    is_failure('NOT_ACQUIRED', 'NotAcquired', sub { $other->acquire(wait => 0) });
    is_failure('IN_USE', 'InUse', sub { $lock->acquire });
    is_failure('NOT_OWNED', 'NotOwned', sub { $other->release });
    $server->command('DEL', 'foo');
    is_failure('LOST', 'Lost', sub { $lock->release });
    is_failure('UNSUPPORTED', 'Unsupported', sub { RedisLock->new('redis+nothing://host') });
    $server->command('RPUSH', 'foo', 1);
    is_failure('WRONG_TYPE', 'WrongType', sub { $lock->acquire });
    $server->command('DEL', 'foo');
    $server->is_clean;
};

# Somebody else on the server's socket, who sends one text to each that comes, and closes.
sub with_stranger {
    my ($text, $code) = @_;
    my $listener = IO::Socket::UNIX->new(Local => $server->socket, Listen => 5) or die "no socket: $!";
    my $stranger = child(sub {
        while (my $guest = $listener->accept) {
            syswrite $guest, $text;
            close $guest;
        }
    });
    $code->();
    kill 'KILL', $stranger->pid;
    waitpid $stranger->pid, 0;
    close $listener;
    unlink $server->socket;
    return;
}

subtest 'a server that is away', sub {
    local $SIG{PIPE} = 'IGNORE';
    is_failure('CONNECTION_REFUSED', 'CannotConnect', sub { RedisLock->new('unix:///nowhere/socket')->ping });
    my $client = client();
    my $lock   = $client->lock('foo')->acquire;
    $server->pause;
    is_failure('TIMEOUT', 'Timeout', sub { $client->ping });
    $server->resume;
    eventually('the server answers', sub { eval { $client->ping } });
    $server->kill;
    for my $code (sub { $lock->extend(10) }, sub { $client->list }, sub { $client->status('foo') }) {
        my $error = eval { $code->(); 'lived' } // $@;
        ok(ref $error && $error->isa('RedisLock::Error::Connection'), 'the server was killed');
    }
    with_stranger("HTTP/1.1 400 Bad Request\r\n\r\n", sub { is_failure('PROTOCOL', 'Protocol', sub { client()->ping }) });
    with_stranger('', sub {
        is_failure('CONNECTION_LOST', 'ConnectionLost', sub { client()->lock('foo')->acquire(wait => 0.3) });
    });
    $server->run;
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    dies_like(sub { my $guard = $client->lock('bar')->guard; $server->kill; die "on purpose\n" }, qr/\Aon purpose\n\z/,
        'what a scope died of is kept where the release fails');
    is(scalar @warnings, 1, 'and the failure is a warning');
    $server->run;
};

subtest 'a server that refuses', sub {
    my $client = client();
    my $lock   = $client->lock('foo');
    $server->command('CONFIG', 'SET', 'requirepass', 'secret');
    $server->password('secret');
    is_failure('AUTHENTICATION', 'Authentication', sub { client()->ping });
    $server->command('CONFIG', 'SET', 'requirepass', '');
    $server->password(undef);
    $client->ping;
    $server->command('ACL', 'SETUSER', 'default', '-evalsha', '-eval');
    is_failure('PERMISSION', 'Permission', sub { $lock->acquire });
    $server->command('ACL', 'SETUSER', 'default', '+evalsha', '+eval');
    $server->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
    is_failure('NOT_ENOUGH_REPLICAS', 'NotEnoughReplicas', sub { $lock->acquire });
    $server->command('CONFIG', 'SET', 'min-replicas-to-write', 0);
    $server->command('REPLICAOF', '127.0.0.1', 1);
    is_failure('READ_ONLY', 'ReadOnly', sub { $lock->acquire(wait => 0) });
    $server->command('REPLICAOF', 'NO', 'ONE');
    $server->command('CONFIG', 'SET', 'maxmemory', 1);
    like(is_failure('SERVER', 'Server', sub { $lock->acquire }), qr/OOM/, "the server's own words");
    unlike(dies_like(sub { $lock->release }, 'RedisLock::Error::NotOwned', 'another failure'), qr/OOM/, 'are not repeated');
    $server->command('CONFIG', 'SET', 'maxmemory', 0);
    $lock->acquire;
    unlike(dies_like(sub { $lock->acquire }, 'RedisLock::Error::InUse', 'another failure'), qr/OOM/, 'are not repeated');
    $lock->release;
};

subtest 'a child of a fork', sub {
    my $client = client();
    my $lock   = $client->lock('foo');
    my $guard  = $lock->guard;
    my $child  = child(sub {
        my $number = 0;
        for my $code (sub { $lock->release }, sub { $lock->acquire }, sub { $lock->extend(5) }, sub { $client->ping },
            sub { $client->list }, sub { $client->lock('bar') }, sub { $client->status('foo') }, sub { $lock->run(sub { }) }) {
            $number++;
            return "call $number lived" if eval { $code->(); 1 };
            return "call $number died: $@" if ref $@ ne 'RedisLock::Error::Forked';
        }
        return 'it is held' if $lock->is_held || $lock->remaining != 0;
        client()->lock('other')->run(sub { $_[0]->is_held }) or return 'a client of its own does not work';
        $guard->release;
        undef $_ for $guard, $lock, $client;
        return 'good';
    });
    is($child->result, 'good', 'the child is told');
    $seen{FORKED} = 1;
    # And one that ends as programs do.
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        undef $guard;
        POSIX::_exit(0);
    }
    waitpid $pid, 0;
    ok($lock->is_held, 'the parent holds it');
    is($server->command('GET', 'foo'), $lock->token, 'on the server, too');
    undef $guard;
    $server->is_clean;
};

subtest 'no status is left out', sub {
    open my $file, '<', $header or die "$header: $!";
    my $text = do { local $/; <$file> };
    my @names = grep { !/\A(?:KIND_|EVENT_|FOREVER|NO_EXPIRY)/ } $text =~ m{\n\tREDISLOCK_([A-Z_]+) = -?\d+,?\s+/\*}g;
    cmp_ok(scalar @names, '>=', 24, 'the header was read');
    is_deeply([sort keys %{{%seen, %unseen}}], [sort @names], 'each was seen or is listed');
    is_deeply([grep { $unseen{$_} } keys %seen], [], 'and not both');
};

undef $server;
done_testing;
