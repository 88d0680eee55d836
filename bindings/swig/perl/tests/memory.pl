# SPDX-License-Identifier: MIT
#
# What valgrind looks at: objects in every state, and an end of Perl that frees them in an order of its own. memory.pl URL
use strict;
use warnings;

use RedisLock;

my ($url) = @ARGV;
our $client = RedisLock->new($url);
our @locks  = map { $client->lock("lock$_")->acquire } 1 .. 20;
our @guards = map { RedisLock->new($url)->lock("guard$_")->guard } 1 .. 20;

$client->list;
$client->status('lock1');
$client->lock('lock1')->try_acquire and die;
for my $code (sub { $client->lock('lock1', wait => 'x') }, sub { $locks[0]->acquire }, sub { RedisLock->new('x') },
    sub { $client->lock('lost')->run(sub { $client->force_release('lost') }) },
    sub { my $guard = $client->lock('lost')->guard; $client->force_release('lost'); die { } }) {
    local $SIG{__WARN__} = sub { };
    die 'it lived' if eval { $code->(); 1 };
}
{
    local $SIG{ALRM} = sub { die "alarm\n" };
    alarm 1;
    eval { $client->lock('lock1', wait => 'inf')->acquire };
    die if $@ ne "alarm\n";
}
our %cycle = (guard => $client->lock('cycle')->guard);
$cycle{self} = \%cycle;
print "good\n";
