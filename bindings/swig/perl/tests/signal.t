# SPDX-License-Identifier: MIT
# Signals while a program waits, the end of a program, and threads.

use strict;
use warnings;

use Config;
use POSIX qw(WNOHANG WUNTRACED);
use RedisLock;
use Test::More;
use TestServer;
use Time::HiRes qw(sleep ualarm);

my $server = TestServer->start;

sub client { RedisLock->new($server->url, @_) }

# Runs code in a child as soon as so many wait for foo.
sub when_waiting {
    my ($code) = @_;
    my $parent = $$;
    return child(sub { until_waiting($server, 'foo', 1); $code->($parent) });
}

subtest 'a handler that dies ends the wait', sub {
    my $held = client()->lock('foo')->acquire;
    my $lock = client()->lock('foo', wait => 'inf');
    for my $code (sub { $lock->acquire }, sub { my $guard = $lock->guard }, sub { $lock->run(sub { }) },
        sub { client()->spin_lock('foo', wait => 'inf', interval => 1000)->acquire }) {
        local $SIG{ALRM} = sub { die "alarm\n" };
        ualarm 50_000;
        dies_like($code, qr/\Aalarm\n\z/, 'by an alarm');
        is($server->waiting('foo'), 0, 'it has left the queue');
        ok(!$lock->is_held, 'it is not held');
    }
    my $sender = when_waiting(sub { kill 'USR1', $_[0] });
    local $SIG{USR1} = sub { die {object => 1} };
    is(dies_like(sub { $lock->acquire }, 'HASH', 'with an object')->{object}, 1, 'which is kept');
    $sender->result;
    $held->release;
    ok($lock->try_acquire, 'it can be taken later');
    $lock->release;
    $server->is_clean;
};

subtest 'a wait goes on in its place', sub {
    my $held    = client()->lock('foo')->acquire;
    my $signals = 0;
    my $holder  = $$;
    local $SIG{USR1} = sub { $signals++ };
    local $SIG{USR2} = sub { $held->release };
    my $sender = when_waiting(sub {
        my ($pid)  = @_;
        my $ticket = $server->tickets('foo')->[0];
        for (1 .. 10) {
            kill 'USR1', $pid;
            sleep 0.01;
            return 'its place is lost' if $server->tickets('foo')->[0] ne $ticket;
        }
        kill 'USR2', $pid;
        return $ticket =~ s/ .*//r;
    });
    my $lock = client()->lock('foo')->acquire;
    is($lock->token, $sender->result, 'it has the ticket of its first try');
    cmp_ok($signals, '>', 0, 'the handler ran');
    $lock->release;
    $server->is_clean;
};

subtest 'alarms at any time', sub {
    my $lock  = client()->lock('foo');
    my $ended = 0;
    my @warnings;
    local $SIG{__WARN__} = sub { push @warnings, @_ };
    local $SIG{ALRM} = sub { die "alarm\n" };
    for my $round (1 .. 300) {
        eval {
            ualarm 1 + 37 * ($round % 30);
            my $guard = $lock->guard;
            sleep 0.001;
        };
        $ended++ if $@ eq "alarm\n";
        # One that came too late for the body.
        eval { ualarm 0; 1 } or eval { ualarm 0 };
        if ($lock->is_held || $server->exists('foo')) {
            fail("round $round: it is held still");
            last;
        }
    }
    cmp_ok($ended, '>', 0, "$ended of 300 came in time");
    is_deeply(\@warnings, [], 'none was caught by a destructor');
    $server->is_clean;
};

# ---- programs in an interpreter of their own ----

# Starts a program that gets the URL as its argument; gives its pid, and a handle to what it writes.
sub start {
    my ($program) = @_;
    my $code = "use strict; use warnings; use RedisLock; \$| = 1; my \$client = RedisLock->new(shift);\n$program\nprint qq{the end\\n};";
    pipe my $reader, my $writer or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDOUT, '>&', $writer;
        open STDERR, '>&', $writer;
        { exec $^X, '-e', $code, $server->url };
        POSIX::_exit(127);
    }
    close $writer;
    return ($pid, $reader);
}

sub finish {
    my ($pid, $reader) = @_;
    my $text = do { local $/; <$reader> };
    waitpid $pid, 0;
    return ($text // '', $?);
}

subtest 'Ctrl-C', sub {
    my $held = client()->lock('foo')->acquire;
    my ($pid, $reader) = start(<<'PERL');
        $SIG{INT} = sub { die "interrupted\n" };
        my $guard = $client->lock('bar')->guard;
        $client->lock('foo', wait => 'inf')->acquire;
PERL
    until_waiting($server, 'foo', 1);
    kill 'INT', $pid;
    my ($text, $status) = finish($pid, $reader);
    is($text, "interrupted\n", 'it dies of it');
    is($server->waiting('foo'), 0, 'it has left the queue');
    ok(!$server->exists('bar'), 'what it held is released');
    ($pid, $reader) = start(<<'PERL');
        $SIG{INT} = sub { exit 5 };
        my $bar = $client->lock('bar')->acquire;
        $client->lock('foo', wait => 'inf')->acquire;
PERL
    until_waiting($server, 'foo', 1);
    kill 'INT', $pid;
    ($text, $status) = finish($pid, $reader);
    is($status >> 8, 5, 'a handler that exits');
    is($text, '', 'quietly');
    is($server->waiting('foo'), 0, 'it has left the queue');
    ok(!$server->exists('bar'), 'what it held is released');
    $held->release;
    $server->is_clean;
};

subtest 'a program that is stopped and goes on', sub {
    my $held = client()->lock('foo')->acquire;
    my ($pid, $reader) = start('$client->lock("foo")->run(sub { print $_[0]->token, "\n" });');
    until_waiting($server, 'foo', 1);
    my $ticket = $server->tickets('foo')->[0];
    for (1 .. 3) {
        kill 'STOP', $pid;
        waitpid $pid, WUNTRACED;
        kill 'CONT', $pid;
    }
    is($server->tickets('foo')->[0], $ticket, 'its place is kept');
    $held->release;
    my ($text, $status) = finish($pid, $reader);
    is($text, $ticket =~ s/ .*//r . "\nthe end\n", 'it got the lock');
    is($status, 0, 'and ended well');
    $server->is_clean;
};

subtest 'the end of a program releases', sub {
    for my $ending ('', 'exit;', 'exit 3;', 'die "on purpose";', 'our $global = $lock;', 'our $guard = $client->lock("bar")->guard;',
        'my $self = {lock => $lock}; $self->{self} = $self;', '$SIG{TERM} = sub { exit 1 }; kill TERM => $$; sleep 60;',
        'our @all = ($client, $lock); undef $client; undef $lock;', 'END { print $lock->is_held, "\n" }') {
        my ($text) = finish(start("my \$lock = \$client->lock('foo')->acquire; print qq{held\\n};\n$ending"));
        like($text, qr/\Aheld\n/, "held, then: $ending");
        unlike($text, qr/cleanup|undefined|Can't/, 'quietly');
        ok(!$server->exists('foo') && !$server->exists('bar'), 'released');
    }
    $server->is_clean;
};

subtest 'threads', sub {
    plan skip_all => 'this Perl has no threads' if !$Config{useithreads};
    local $ENV{TEST_URL} = $server->url;
    my ($text, $status) = finish(start(<<'PERL'));
        use threads;
        my $lock = $client->lock('foo')->acquire;
        my $guard = $client->lock('bar')->guard;
        my $status = threads->create(sub {
            for my $code (sub { $lock->release }, sub { $lock->fence }, sub { $client->ping }, sub { $guard->release }) {
                return 'it lived' if eval { $code->(); 1 };
                return $@ if $@ !~ /\Athis object is another thread's, or none at -e line/;
            }
            undef $guard;
            return RedisLock->new($ENV{TEST_URL})->lock('own')->run(sub { $_[0]->is_held }) ? 'good' : 'bad';
        })->join;
        print "$status\n";
        my @threads = map { threads->create(sub {
            my $own = RedisLock->new($ENV{TEST_URL})->lock('contended');
            $own->run(sub { 1 }) for 1 .. 20;
            1;
        }) } 1 .. 3;
        $_->join for @threads;
        print $lock->is_held ? "held\n" : "lost\n";
PERL
    is($text, "good\nheld\nthe end\n", 'objects are their own thread\'s');
    is($status, 0, 'and no crash');
    $server->is_clean;
};

subtest 'examples', sub {
    my $folder = __FILE__ =~ s{[^/]*\z}{../examples}r;
    my @examples = glob "$folder/*.pl";
    cmp_ok(scalar @examples, '>=', 1, 'there are some');
    local $ENV{REDISLOCK_URL} = $server->url;
    for my $example (@examples) {
        my $text = qx{"$^X" "$example" 2>&1};
        is($?, 0, "$example ends well");
        like($text, qr/\Areport \d+ is written\n\z/, 'and says so');
    }
};

undef $server;
done_testing;
