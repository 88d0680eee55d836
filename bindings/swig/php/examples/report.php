<?php
// SPDX-License-Identifier: MIT

/**
 * One report at a time, however many machines make one. Ctrl-C ends it in good order, waiting or working: the lock is
 * released then, and not only when its lease ends.
 */

declare(strict_types=1);

use RedisLock\{Client, Exception, Lock, NotAcquiredException};

require_once __DIR__ . '/../autoload.php';

pcntl_async_signals(true);
foreach ([SIGINT, SIGTERM] as $signal) {
    pcntl_signal($signal, fn (int $signal) => exit(128 + $signal));
}

try {
    $client = new Client($argv[1] ?? null);
    $owner = gethostname() . ' ' . getmypid();
    $client->lock('report', wait: 10, owner: $owner)->synchronized(function (Lock $lock): void {
        printf("making the report, fence %d\n", $lock->fence());
    });
} catch (NotAcquiredException) {
    $status = $client->status('report');
    fprintf(STDERR, "%s is at it\n", $status->owner ?? 'somebody');
    exit(75);
} catch (Exception $failure) {
    fprintf(STDERR, "%s\n", $failure->getMessage());
    exit(69);
}
