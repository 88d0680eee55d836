# SPDX-License-Identifier: MIT
# The module and the client: connecting, options, questions.

use strict;
use warnings;

use RedisLock;
use Test::More;
use TestServer;

my $server = TestServer->start;
my $inf    = 9**9**9;
my $nan    = -sin $inf;

sub client { RedisLock->new($server->url, @_) }

sub with_server(&$) {
    my ($code, $title) = @_;
    subtest $title, sub {
        $server->command('FLUSHALL');
        $code->();
        $server->is_clean;
    };
}

# Misuse dies with a text, and the place in this file.
sub refused {
    my ($text, $code, $title) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return dies_like($code, qr/\A\Q$text\E.* at \Q${\__FILE__}\E line \d+\.\n\z/s, $title // $text);
}

with_server {
    is(RedisLock->VERSION, RedisLock->library_version, 'the version is that of the library');
    ok(!RedisLock->has('no such thing'), 'no such feature');
    ok(defined RedisLock->has('tls'), 'a feature');
} 'version and features';

with_server {
    ok(client()->ping, 'the URL that is given');
    local $ENV{REDISLOCK_URL} = $server->url;
    ok(RedisLock->new->ping, 'that of the environment');
    ok(RedisLock->new(name => 'me')->ping, 'with options');
    ok(RedisLock->new(undef, name => 'me')->ping, 'with options, and undef');
    $ENV{REDISLOCK_URL} = 'nonsense';
    refused('url: ', sub { RedisLock->new });
    $ENV{REDISLOCK_URL} = '';
    ok(RedisLock->new, 'the default');
    delete $ENV{REDISLOCK_URL};
    ok(RedisLock->new, 'the default');
} 'where the URL comes from';

with_server {
    my $client = client(name => 'lazy');
    is($server->connections('name=lazy '), 0, 'nothing is sent until it is asked for');
    is($client->connect, $client, 'connect returns the object');
    cmp_ok($server->connections('name=lazy '), '>', 0, 'connected');
    is($client->connect, $client, 'twice');
} 'connect';

with_server {
    for my $url ('redis:/', 'redis://host:port', 'redis://:secret@host:99999', 'http://host') {
        eval { RedisLock->new($url) };
        isnt($@, '', "$url is refused");
        unlike($@, qr/secret/, 'without its password');
    }
    refused('url: ', sub { RedisLock->new('redis://host:port') });
    refused('url: a string without NUL expected', sub { RedisLock->new("redis://host\0") });
    refused('url: a string expected, got a reference', sub { RedisLock->new({}) });
    refused('url: a string of bytes expected', sub { RedisLock->new("redis://\x{263a}") });
    dies_like(sub { RedisLock->new('rediss://host') }, 'RedisLock::Error::Unsupported', 'rediss://')
        if !RedisLock->has('tls');
} 'URLs that cannot be read';

with_server {
    refused("unknown option 'timeout'; there are connect_timeout, ", sub { client(timeout => 1) });
    refused('options: pairs', sub { RedisLock->new->lock('foo', 'wait') });
    for my $option (qw(connect_timeout command_timeout)) {
        for my $value (0, -1, 2147484, $inf, -$inf, $nan, 1e300, '', 'abc', '1s') {
            refused("$option: seconds from 0.001 to 2147483 expected, got '$value'", sub { client($option => $value) });
        }
        refused("$option: seconds from 0.001 to 2147483 expected, got a reference", sub { client($option => [1]) });
    }
    refused('name: a string expected, got a reference', sub { client(name => []) });
    refused('name: up to 255', sub { client(name => $_) }) for 'a b', 'x' x 256;
    for my $option (qw(name user password)) {
        refused("$option: a string without NUL", sub { client(user => 'me', password => 'x', $option => "a\0b") });
        refused("$option: a string of bytes", sub { client(user => 'me', password => 'x', $option => "\x{263a}") });
    }
    refused('user and password: up to 4096 bytes, and no user without', sub { client(user => 'me') });
    refused('user and password: up to 4096', sub { client(password => 'x' x 4097) });
    ok(client(name => undef, connect_timeout => undef, command_timeout => undef, user => undef, password => undef)->ping,
        'what is undef is not there');
} 'options of a client';

with_server {
    my $named = client(name => 'that-is-me')->connect;
    cmp_ok($server->connections('name=that-is-me '), '>', 0, 'the name of the connections');
    my ($quick, $fresh) = (client(command_timeout => 0.2), client(connect_timeout => 0.2, name => 'me'));
    $quick->ping;
    $server->pause;
    my $before = now();
    dies_like(sub { $quick->ping }, 'RedisLock::Error::Timeout', 'command_timeout');
    my $error = eval { $fresh->ping } || $@;
    ok(ref $error && $error->isa('RedisLock::Error::Connection'), 'connect_timeout');
    cmp_ok(now() - $before, '<', 4, 'not the default');
    $server->resume;
} 'options of a client do what they say';

with_server {
    $server->command('CONFIG', 'SET', 'requirepass', 'secret');
    $server->password('secret');
    dies_like(sub { client()->ping }, 'RedisLock::Error::Authentication', 'no password');
    my $client = client(password => 'wrong');
    dies_like(sub { $client->ping }, 'RedisLock::Error::Authentication', 'a wrong one');
    dies_like(sub { $client->lock('foo')->acquire }, 'RedisLock::Error::Authentication', 'for a lock');
    ok(client(password => 'secret')->ping, 'the right one');
    ok(client(user => 'default', password => 'secret')->ping, 'with a user');
    is($client->set_credentials(password => 'secret'), $client, 'new credentials');
    ok($client->ping, 'count at the next connect');
    $client->set_credentials(user => 'default', password => 'secret');
    $client->set_credentials;
    refused('user and password: up to 4096 bytes, and no user without', sub { $client->set_credentials(user => 'me') });
    refused('user: a string without NUL', sub { $client->set_credentials(user => "\0", password => 'x') });
    refused("unknown option 'pass'; there are user, password", sub { $client->set_credentials(pass => 'x') });
    $server->command('CONFIG', 'SET', 'requirepass', '');
    $server->password(undef);
} 'credentials';

with_server {
    my $client = client();
    my $both   = sub {
        my ($text, @options) = @_;
        refused($text, sub { $client->lock('foo', @options) });
        refused($text, sub { $client->spin_lock('foo', @options) });
    };
    my $spin = sub {
        my ($text, @options) = @_;
        refused($text, sub { $client->spin_lock('foo', @options) });
    };
    $both->("unknown option 'waits'; there are wait, ttl, ", waits => 1);
    refused("unknown option 'interval'; there are wait, ttl, renew, owner, token", sub { $client->lock('foo', interval => 1) });
    for my $value (-1, -0.001, $nan, -$inf, 9007199254741, 1e300, 'abc', '') {
        $both->("wait: seconds from 0 to 9007199254740 or 'inf' expected, got '$value'", wait => $value);
    }
    for my $value (0, -1, $nan, -$inf, 9007199254741, 'abc') {
        $both->("ttl: seconds from 0.001 to 9007199254740 or 'inf' expected, got '$value'", ttl => $value);
    }
    $both->('wait: seconds from 0 to 9007199254740 or \'inf\' expected, got a reference', wait => {});
    $both->('owner: a string expected, got a reference', owner => []);
    $both->('owner: up to 255 bytes', owner => $_) for 'x' x 256, "a\nb", "\0";
    $both->('owner: a string of bytes', owner => "\x{263a}");
    $both->('token: a string expected, got a reference', token => []);
    $both->('token: 1 to 128', token => $_) for '', 'a b', "\0", "\x7f", "\xe4", 'x' x 129;
    for my $value (0, -1, $inf, 2147484) {
        $spin->('interval: seconds from 0.001 to 2147483 expected', interval => $value);
        $spin->('max_interval: seconds from', growth => 2, max_interval => $value);
    }
    $spin->('growth: a number from 1 to 10 expected', growth => $_) for 0.99, 10.1, $nan, 'two', [];
    $spin->('growth and max_interval: both or none', growth => 2);
    $spin->('growth and max_interval: both or none', max_interval => 2);
    my $lock = $client->lock('foo');
    for my $method (qw(acquire guard)) {
        refused("unknown option 'owner'; there are wait, ttl, renew", sub { my $held = $lock->$method(owner => 'me') });
        refused('wait: seconds', sub { my $held = $lock->$method(wait => -1) });
        refused('ttl: seconds', sub { my $held = $lock->$method(ttl => 'x') });
        refused('options: pairs', sub { my $held = $lock->$method(10) });
    }
    refused('wait: seconds', sub { $lock->run(sub { die }, wait => -1) });
    refused("unknown option 'wait'; there are ttl, renew", sub { $lock->try_acquire(wait => 1) });
    refused("ttl: seconds from 0.001 to 9007199254740 or 'inf' expected, got '0'", sub { $lock->extend(0) });
    refused('ttl: seconds', sub { $lock->extend([]) });
    for my $options ([wait => 0], [wait => 9007199254740], [wait => $inf], [wait => 'inf'], [wait => '1.5'], [ttl => 0.001],
        [ttl => 9007199254740], [ttl => $inf], [ttl => 0.0001], [owner => 'x' x 255], [token => 'x' x 128],
        [wait => undef, ttl => undef, renew => undef, owner => undef, token => undef]) {
        ok($client->lock('foo', @$options), "@{[map { $_ // 'undef' } @$options]} is fine");
    }
    ok($client->spin_lock('foo', interval => 0.001, growth => 1, max_interval => 2147483), 'so are the pauses');
} 'options of a lock';

with_server {
    my $client = client();
    for my $method (qw(lock spin_lock status force_release)) {
        refused('name: ', sub { $client->$method($_) }, "$method of a bad name")
            for '', 'x' x 32769, 'rlock-queue:{a}:a', 'rlock-state:';
        refused('name: a string expected, got ', sub { $client->$method($_) }, "$method of no name") for undef, [], {};
        refused('name: a string of bytes expected', sub { $client->$method("\x{263a}") });
        refused('name: a string expected, got undef', sub { $client->$method });
    }
    is($client->lock(12)->name, '12', 'a number is a name');
    { package Named; use overload '""' => sub { 'foo' }; sub new { bless {} } }
    is($client->status(Named->new)->{name}, 'foo', 'so is what reads as a string');
} 'names';

with_server {
    my $client = client();
    is_deeply($client->status('foo'),
        {name => 'foo', locked => '', token => undef, owner => undef, remaining => 0, waiters => 0, fence => 0}, 'nobody');
    my $lock = $client->lock('foo', owner => 'me', ttl => 50)->acquire;
    my $status = $client->status('foo');
    ok($status->{locked}, 'locked');
    is_deeply([@$status{qw(token owner fence)}], [$lock->token, 'me', $lock->fence], 'by whom');
    cmp_ok($status->{remaining}, '>',  40, 'for how long');
    cmp_ok($status->{remaining}, '<=', 50, 'and not longer');
    $lock->extend('inf');
    cmp_ok($client->status('foo')->{remaining}, '==', $inf, 'for ever');
    my @waiters = map { child(sub { client()->lock('foo')->run(sub { 1 }) }) } 1 .. 3;
    eventually('three wait', sub { $client->status('foo')->{waiters} == 3 });
    $lock->release;
    is_deeply([map { $_->result } @waiters], [1, 1, 1], 'they are served');
    $server->command('RPUSH', 'typed', 1);
    dies_like(sub { $client->status('typed') }, 'RedisLock::Error::WrongType', 'a list');
    $server->command('DEL', 'typed');
} 'status';

with_server {
    my $client = client();
    is_deeply([$client->list], [], 'nothing');
    my @names = sort 'a', 'b1', 'b2', 'with space', "with\0zero", "\xc3\xa4";
    my @held = map { $client->lock($_)->acquire } @names;
    $client->lock('released')->run(sub { });
    is_deeply([$client->list], \@names, 'all');
    is(scalar(my @found = $client->list), scalar @names, 'how many');
    is_deeply([$client->list('b*')], [qw(b1 b2)], 'by a pattern');
    is_deeply([$client->list('b[13]')], ['b1'], 'by another one');
    is_deeply([$client->list('nothing')], [], 'none');
    refused('pattern: a string without NUL', sub { $client->list("\0") });
    refused('pattern: up to 4096 bytes', sub { $client->list('x' x 4097) });
    refused('pattern: a string expected, got a reference', sub { $client->list([]) });
} 'list';

with_server {
    my $client = client();
    my $lock   = $client->lock('foo');
    ok(!$client->force_release('foo'), 'not locked');
    $lock->acquire;
    ok(!$client->force_release('foo', token => 'another'), 'not by that token');
    ok($client->force_release('foo', token => $lock->token), 'by this one');
    ok(!$server->exists('foo'), 'released');
    dies_like(sub { $lock->release }, 'RedisLock::Error::Lost', 'the holder is told');
    $lock->acquire;
    ok($client->force_release('foo'), 'by any');
    dies_like(sub { $lock->release }, 'RedisLock::Error::Lost', 'the holder is told');
    refused('token: 1 to 128', sub { $client->force_release('foo', token => $_) }) for '', 'a b';
    refused("unknown option 'tokens'; there is token", sub { $client->force_release('foo', tokens => 1) });
} 'force_release';

subtest 'objects that are none', sub {
    for my $object (bless({}, 'RedisLock'), bless({handle => 1}, 'RedisLock'), bless({handle => \(my $x = 1)}, 'RedisLock'),
        bless({handle => client()->lock('foo')->{handle}}, 'RedisLock')) {
        dies_like(sub { $object->ping }, qr/\Athis object is another thread's, or none at \Q${\__FILE__}\E line/, 'a client without its handle');
    }
};

undef $server;
done_testing;
