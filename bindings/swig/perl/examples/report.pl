#!/usr/bin/perl
# SPDX-License-Identifier: MIT
#
# One report at a time, however many machines run this. The server is that of REDISLOCK_URL, or one at home.
use strict;
use warnings;

use RedisLock;

my $client = RedisLock->new;
my $guard  = eval { $client->lock('report', owner => "report.pl:$$")->guard(wait => 10) };
if (!$guard) {
    die $@ if !ref $@ || !$@->isa('RedisLock::Error::NotAcquired');
    die 'somebody else writes it: ' . ($client->status('report')->{owner} // 'unknown') . "\n";
}
# A database that remembers the highest fence can refuse a writer which was late.
print 'report ', $guard->fence, " is written\n";
