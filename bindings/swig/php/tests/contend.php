<?php
// SPDX-License-Identifier: MIT

/**
 * A contender in PHP, for the test of interoperation: contend.php URL NAME ROUNDS
 * What it says and reads is described in tests/integration/contend.c.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

[, $url, $name, $rounds] = $argv;

// The others' clock, which PHP alone doesn't read.
$libc = FFI::cdef('struct timespec { long seconds, nanoseconds; }; int clock_gettime(int clock, struct timespec *time);');
$time = $libc->new('struct timespec');
$now = function () use ($libc, $time): int {
    $boottime = 7;
    $libc->clock_gettime($boottime, FFI::addr($time));
    return $time->seconds * 1000000 + intdiv($time->nanoseconds, 1000);
};

$client = new RedisLock\Client($url);
$client->connect();
$locks = [$client->lock($name, wait: INF), $client->spinLock($name, wait: INF, interval: 0.005)];
echo "ready\n";
fgets(STDIN);
for ($i = 0; $i < (int) $rounds; $i++) {
    $locks[$i % 2]->synchronized(function (RedisLock\Lock $lock) use ($now): void {
        $acquired = $now();
        usleep(1000);
        printf("%d %d %d\n", $acquired, $now(), $lock->fence());
    });
    // So that the queue runs dry now and then, and those have a chance that have no place in it.
    usleep($now() % 20 * 1000);
}
