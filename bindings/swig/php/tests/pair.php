<?php
// SPDX-License-Identifier: MIT

/** Uncontended pairs: pair.php URL N takes and releases one lock N times, and prints the nanoseconds of a pair. */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

$lock = (new RedisLock\Client($argv[1]))->lock('pair');
$lock->acquire()->release();
$began = hrtime(true);
for ($i = (int) $argv[2]; $i > 0; $i--) {
    $lock->acquire();
    $lock->release();
}
echo intdiv(hrtime(true) - $began, (int) $argv[2]), "\n";
