# SPDX-License-Identifier: MIT
# Locks and guards: taken, kept, released, lost.

use strict;
use warnings;

use List::Util qw(any sum0);
use RedisLock;
use Test::More;
use TestServer;
use Time::HiRes qw(sleep);

my $server = TestServer->start;
my $inf    = 9**9**9;
my @warnings;
local $SIG{__WARN__} = sub { push @warnings, @_ };

sub client { RedisLock->new($server->url, @_) }

sub with_server(&$) {
    my ($code, $title) = @_;
    subtest $title, sub {
        $server->command('FLUSHALL');
        @warnings = ();
        $code->();
        $server->is_clean;
        is_deeply(\@warnings, [], 'no warnings');
    };
}

with_server {
    my $fence;
    {
        my $guard = RedisLock->new($server->url)->lock('foo', wait => 10)->guard;
        $fence = $guard->fence;
        ok($server->exists('foo'), 'it is locked');
        ok($guard->lock->is_held, 'it is held');
    }
    like($fence, qr/\A\d+\z/, 'it has a fence');
    ok(!$server->exists('foo'), 'it is released with the scope');
} 'the example of the contract';

with_server {
    my $lock = client()->lock('foo');
    ok(!$lock->is_held, 'not held yet');
    cmp_ok($lock->remaining, '==', 0, 'nothing remains');
    is($lock->acquire, $lock, 'acquire returns the object');
    ok($lock->is_held, 'held');
    cmp_ok($lock->remaining, '>',  0,  'it lasts');
    cmp_ok($lock->remaining, '<=', 30, 'but not longer than its TTL');
    is($lock->token, $server->command('GET', 'foo'), 'the token is on the server');
    my $error = dies_like(sub { $lock->acquire }, 'RedisLock::Error::InUse', 'a second acquire');
    is($error->file, __FILE__,     'the error knows the file of the caller');
    is($error->line, __LINE__ - 2, 'and the line');
    like("$error", qr/\A'foo': .* at \Q${\__FILE__}\E line \d+\.\n\z/, 'and reads like any other');
    ok($lock->is_held, 'held still');
    is($lock->release, undef, 'release returns nothing');
    ok(!$lock->is_held, 'not held');
    dies_like(sub { $lock->release }, 'RedisLock::Error::NotOwned', 'a second release');
} 'acquire and release';

with_server {
    my $client = client();
    my $held   = $client->lock('foo')->acquire;
    my $lock   = $client->lock('foo', wait => 0.05);
    dies_like(sub { $lock->acquire }, 'RedisLock::Error::NotAcquired', 'a wait that ends');
    dies_like(sub { $lock->acquire(wait => 0) }, 'RedisLock::Error::NotAcquired', 'one try');
    dies_like(sub { my $guard = $lock->guard }, 'RedisLock::Error::NotAcquired', 'a guard');
    dies_like(sub { $lock->run(sub { die 'it is not held' }) }, 'RedisLock::Error::NotAcquired', 'code to run');
    ok(!$lock->try_acquire, 'trying');
    ok($held->is_held, 'the holder is not disturbed');
    is($server->waiting('foo'), 0, 'nobody waits any more');
    $held->release;
    ok($lock->try_acquire, 'trying when it is free');
    $lock->release;
    $held = $client->lock('foo', ttl => 0.2)->acquire;
    $lock->acquire(wait => 'inf');
    cmp_ok($lock->fence, '>', $held->fence, 'waited until a lease ended');
    $lock->release;
} 'waits that end';

with_server {
    my $lock = client()->lock('foo', ttl => 100);
    $lock->acquire(ttl => 5, wait => 0);
    cmp_ok($lock->remaining, '<=', 5, 'the option counts');
    $lock->release;
    $lock->acquire;
    cmp_ok($lock->remaining, '>', 90, 'for that call only');
    $lock->release;
    $lock->acquire(ttl => 'inf');
    # It begins with a short lease, in case that nobody hears of it.
    eventually('the lock has no end', sub { $lock->remaining == $inf && $server->command('PTTL', 'foo') == -1 });
    $lock->release;
    $lock->acquire(wait => 1);
    dies_like(sub { $lock->acquire(wait => 0, ttl => 7) }, 'RedisLock::Error::InUse', 'options of a held lock');
    $lock->release;
    $lock->acquire(ttl => 7);
    cmp_ok($lock->remaining, '<=', 7, 'are not taken for set later');
    $lock->release;
} 'options of acquire';

with_server {
    my $survives = sub {
        my ($options, $call) = @_;
        my $lock = client()->lock('foo', @$options)->acquire(@{$call // []});
        my $deadline = now() + 0.5;
        sleep 0.01 while now() < $deadline && $lock->is_held;
        my $held = $lock->is_held;
        $held ? $lock->release : $server->command('DEL', 'foo');
        return $held;
    };
    ok(!$survives->([ttl => 0.15]), 'a TTL alone is not renewed');
    ok(!$survives->([], [ttl => 0.15]), "nor is one of the call's");
    ok($survives->([ttl => 30, renew => 0]), 'a long TTL');
    # Renewal at a third of the TTL: a busy machine may miss one, so this asks for less than it could.
    ok((any { $survives->([ttl => 0.3, renew => 1]) } 1 .. 20), 'a TTL that is to be renewed');
    ok((any { $survives->([renew => 1], [ttl => 0.3]) } 1 .. 20), "a TTL of the call's that is to be renewed");
} 'what is renewed';

with_server {
    my $lock = client()->lock('foo', ttl => 20);
    dies_like(sub { $lock->extend(5) }, 'RedisLock::Error::NotOwned', 'a lock that is not held');
    $lock->acquire;
    is($lock->extend(100), undef, 'extend returns nothing');
    cmp_ok($lock->remaining, '>', 90, 'it lasts');
    $lock->extend(2.5);
    cmp_ok($lock->remaining, '<=', 2.5, 'fractions of a second');
    $lock->extend;
    cmp_ok($lock->remaining, '>',  10, "the lock's own TTL");
    cmp_ok($lock->remaining, '<=', 20, 'and no more');
    $lock->extend('inf');
    cmp_ok($lock->remaining, '==', $inf, 'no end');
    is($server->command('PTTL', 'foo'), -1, 'on the server, too');
    $lock->release;
} 'extend';

with_server {
    my $client = client();
    my $lock   = $client->lock('foo');
    is($lock->fence, 0, 'no fence before the first hold');
    $server->command('SET', 'rlock-state:{foo}:foo', '9007199254740988 x - ', 'PX', 60000);
    for my $fence ('9007199254740989', '9007199254740990', '9007199254740991') {
        $lock->acquire;
        is($lock->fence, $fence, 'exact to its last digit');
        is($lock->fence + 1 - 1, $fence, 'as a number');
        like($server->command('GET', 'rlock-state:{foo}:foo'), qr/\A$fence /, 'as on the server');
        is($client->status('foo')->{fence}, $fence, 'from outside');
        $lock->release;
        is($lock->fence, $fence, 'after the release');
    }
} 'fence';

with_server {
    my $client = client();
    my $lock = $client->lock('foo', owner => "me, on \xc3\xa4 machine", token => 'of-my-own');
    is($lock->token, 'of-my-own', 'the token');
    is($lock->owner, "me, on \xc3\xa4 machine", 'the owner');
    $lock->acquire;
    is($server->command('GET', 'foo'), 'of-my-own', 'the token on the server');
    is($client->status('foo')->{owner}, "me, on \xc3\xa4 machine", 'the owner from outside');
    $lock->release;
    my $random = $client->lock('foo', owner => '');
    is($random->token, undef, 'no token before the first hold');
    my $first = $random->run(sub { $random->token });
    like($first, qr/\A[0-9a-f]{32}\z/, 'a random one');
    isnt($random->run(sub { $random->token }), $first, 'a new one for each hold');
} 'owner and token';

with_server {
    my $client = client();
    for my $name (join('', map { chr } 0 .. 255), "\0", "a\0b", 'x' x 32768, '{}', 'a{b}c', "\r\n", '0') {
        my $lock = $client->lock($name);
        is($lock->name, $name, 'the name is as it was given');
        is($lock->channel, "rlock-channel:$name", 'so is the channel');
        my $guard = $lock->guard;
        is($server->command('GET', $name), $lock->token, 'and the key');
        is($client->status($name)->{token}, $lock->token, 'from outside');
        my $error = dies_like(sub { $client->lock($name, wait => 0)->acquire }, 'RedisLock::Error::NotAcquired', 'taken');
        unlike($error->message, qr/[^ -~]/, 'errors are for people');
    }
    # The same bytes, whichever way Perl keeps them.
    my $wide = "\xe4";
    utf8::upgrade($wide);
    my $guard = $client->lock($wide)->guard;
    ok($server->exists("\xe4"), 'a name that Perl keeps as UTF-8');
    my $token = join '', map { chr } 33 .. 126;
    $client->lock('foo', token => $token)->run(sub { is($server->command('GET', 'foo'), $token, 'any token') });
    is($client->lock('foo', token => 'x' x 128)->run(sub { length $_[0]->token }), 128, 'a long token');
} 'names and tokens may have any bytes that they may have';

with_server {
    my $client = client();
    my $guard  = $client->lock('foo')->guard;
    my $tries  = sub {
        my $lock = $client->spin_lock('foo', wait => 0.4, @_);
        $server->command('CONFIG', 'RESETSTAT');
        dies_like(sub { $lock->acquire }, 'RedisLock::Error::NotAcquired', "tries with @_");
        return sum0 $server->command('INFO', 'commandstats') =~ /cmdstat_evalsha?:calls=(\d+)/g;
    };
    my $often = $tries->(interval => 0.002);
    cmp_ok($often, '>', 2 * $tries->(interval => 0.2), 'the interval counts');
    cmp_ok($often, '>', $tries->(interval => 0.002, growth => 10, max_interval => 0.2), 'the growth counts');
    is($server->waiting('foo'), 0, 'no place in the queue');
    undef $guard;
    is($client->spin_lock('foo', interval => 0.01)->run(sub { 5 }), 5, 'taken by spinning');
} 'spin lock';

with_server {
    my $client = client();
    my $held   = $client->lock('foo')->acquire;
    my $lock   = $client->lock('foo');
    is($lock->place, undef, 'no place without a wait');
    # A handler looks at the lock that is waited for.
    my $place;
    local $SIG{USR1} = sub { $place = $lock->place; $held->release };
    my $parent = $$;
    my $child  = child(sub { until_waiting($server, 'foo', 1); kill 'USR1', $parent });
    $lock->acquire;
    $child->result;
    is($place, 0, 'the first in the queue');
    is($lock->place, undef, 'no place when it is held');
    $lock->release;
} 'place in the queue';

with_server {
    my $client = client();
    my $lock   = $client->lock('foo');
    dies_like(sub { my $guard = $lock->guard; die "on purpose\n" }, qr/\Aon purpose\n\z/, 'a scope that dies');
    ok(!$server->exists('foo'), 'the lock is released');
    dies_like(sub { $lock->run(sub { die {code => 7} }) }, 'HASH', 'code that dies with an object');
    ok(!$server->exists('foo'), 'the lock is released');
    is_deeply([$lock->run(sub { (1, 2, 3) })], [1, 2, 3], 'a list is returned');
    is(scalar $lock->run(sub { wantarray ? 'list' : 'scalar' }), 'scalar', 'a scalar is returned');
    for my $round (1 .. 2) {
        my $guard = $lock->guard;
        last if $round == 2;
    }
    ok(!$server->exists('foo'), 'a loop that is left');
    {
        my $guard = $lock->guard;
        $lock->release;
        # Somebody else's hold, though of the same object, isn't this guard's.
        $lock->acquire;
        undef $guard;
        ok($lock->is_held, 'a guard releases its own hold only');
        $lock->release;
    }
    {
        my $guard = $lock->guard;
        $guard->release;
        ok(!$server->exists('foo'), 'a guard may be told to release');
        is($guard->release, undef, 'twice');
    }
    is($lock->run(sub { $lock->release; 7 }), 7, 'a release in the code is fine');
    $lock->acquire;
    dies_like(sub { my $guard = $lock->guard }, 'RedisLock::Error::InUse', 'a guard of a held lock');
    ok($lock->is_held, 'does not end the hold');
    $lock->release;
    {
        my $guard = do { my $temporary = client()->lock('foo'); $temporary->guard };
        ok($server->exists('foo'), 'a guard keeps its lock and client');
    }
    dies_like(sub { $lock->guard; 1 }, qr/\Aguard: its result has to be kept.* at \Q${\__FILE__}\E line \d/, 'a guard for nobody');
    dies_like(sub { $lock->run('code') }, qr/\Arun: code expected/, 'no code');
} 'scopes release however they are left';

with_server {
    my $client = client();
    dies_like(sub {
        my $guard = $client->lock('foo')->guard;
        $client->force_release('foo');
        die "on purpose\n";
    }, qr/\Aon purpose\n\z/, 'what a scope died of is kept');
    is(scalar @warnings, 1, 'the loss is a warning');
    like($warnings[0], qr/\A\(in cleanup\) 'foo': .* at /, 'that tells the name');
    @warnings = ();
    dies_like(sub { $client->lock('foo')->run(sub { $client->force_release('foo'); die "on purpose\n" }) },
        qr/\Aon purpose\n\z/, 'what code died of is kept');
    @warnings = ();
    dies_like(sub { $client->lock('foo')->run(sub { $client->force_release('foo') }) }, 'RedisLock::Error::Lost',
        'good code whose lock was lost');
    dies_like(sub { my $guard = $client->lock('foo')->guard; $client->force_release('foo'); $guard->release },
        'RedisLock::Error::Lost', 'a guard that is told to release');
    { local $@ = 'kept'; my $guard = $client->lock('foo')->guard; undef $guard; is($@, 'kept', 'no guard changes $@'); }
    is_deeply(\@warnings, [], 'and no more warnings');
} 'a release never hides what the body died of';

with_server {
    my $client = client();
    my $lock   = $client->lock('foo', ttl => 0.1)->acquire;
    eventually('the lease ends', sub { !$lock->is_held && !$server->exists('foo') });
    cmp_ok($lock->remaining, '==', 0, 'nothing remains');
    my $error = dies_like(sub { $lock->release }, 'RedisLock::Error::Lost', 'a lock that ran out');
    ok($error->isa('RedisLock::Error::NotOwned'), 'a kind of NotOwned');
    dies_like(sub { $lock->release }, 'RedisLock::Error::NotOwned', 'told once');
    $lock = $client->lock('foo')->acquire;
    $server->command('DEL', 'foo');
    dies_like(sub { $lock->extend(10) }, 'RedisLock::Error::Lost', 'a lock that was deleted');
    $lock->acquire;
    $server->command('SET', 'foo', 'somebody-else');
    dies_like(sub { $lock->release }, 'RedisLock::Error::Lost', "a lock that is somebody else's now");
    is($server->command('GET', 'foo'), 'somebody-else', 'who keeps it');
    $server->command('DEL', 'foo');
} 'locks that were lost';

with_server {
    my $client = client();
    my $handle = $client->lost_handle;
    is($client->lost_handle, $handle, 'one handle');
    my $readable = sub {
        vec(my $set = '', fileno $handle, 1) = 1;
        return scalar select $set, undef, undef, $_[0];
    };
    is($readable->(0), 0, 'nothing is lost');
    my $lock = $client->lock('foo', ttl => 0.3, renew => 1)->acquire;
    $server->command('SET', 'foo', 'somebody-else');
    is($readable->(60), 1, 'told');
    is(sysread($handle, my $bytes, 8), 8, 'read');
    is($readable->(0), 0, 'armed again');
    ok(!$lock->is_held, 'it was lost');
    $server->command('DEL', 'foo');
} 'loss can be waited for';

with_server {
    my $client = client();
    my $lock   = $client->lock('foo')->acquire;
    undef $lock;
    ok(!$server->exists('foo'), 'a lock that is forgotten');
    $lock = client()->lock('foo')->acquire;
    undef $lock->{client};
    ok($lock->is_held && $server->exists('foo'), 'its client may go first');
    undef $lock;
    ok(!$server->exists('foo'), 'also then');
    {
        my $held  = client(name => 'ending')->lock('foo')->acquire;
        my $guard = client(name => 'ending')->lock('bar')->guard;
        cmp_ok($server->connections('name=ending '), '>', 0, 'connections');
    }
    eventually('the connections are closed', sub { $server->connections('name=ending ') == 0 });
    my $cycle = {lock => client()->lock('foo')->acquire};
    delete $cycle->{lock};
    ok(!$server->exists('foo'), 'a lock of a hash');
} 'what is forgotten is released';

undef $server;
done_testing;
