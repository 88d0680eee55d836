# SPDX-License-Identifier: MIT
#
# A contender in Perl, for the test of interoperation: contend.pl URL NAME ROUNDS
# What it says and reads is described in tests/integration/contend.c.
use strict;
use warnings;

use RedisLock;
use Time::HiRes qw(clock_gettime usleep);

use constant CLOCK_BOOTTIME => 7;

my ($url, $name, $rounds) = @ARGV;

sub now { int(clock_gettime(CLOCK_BOOTTIME) * 1_000_000) }

my $client = RedisLock->new($url)->connect;
my @locks  = ($client->lock($name, wait => 'inf'), $client->spin_lock($name, wait => 'inf', interval => 0.005));
$| = 1;
print "ready\n";
<STDIN>;
for my $round (1 .. $rounds) {
    {
        my $guard    = $locks[$round % 2]->guard;
        my $acquired = now();
        usleep 1000;
        printf "%d %d %s\n", $acquired, now(), $guard->fence;
    }
    # So that the queue runs dry now and then, and those have a chance that have no place in it.
    usleep now() % 20 * 1000;
}
