# SPDX-License-Identifier: MIT
#
# The cost of taking and releasing a lock that nobody else wants: pair.pl URL N prints nanoseconds per pair.
use strict;
use warnings;

use RedisLock;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($url, $count) = @ARGV;
my $lock = RedisLock->new($url)->connect->lock('pair');

sub pairs {
    for (1 .. $_[0]) {
        $lock->acquire;
        $lock->release;
    }
    return;
}

pairs(100);
my $before = clock_gettime(CLOCK_MONOTONIC);
pairs($count);
printf "%d\n", (clock_gettime(CLOCK_MONOTONIC) - $before) * 1e9 / $count;
