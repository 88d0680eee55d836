<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

/** Waits end by a condition; the deadline is for what is broken. */
final class Eventually
{
    private const PATIENCE_NS = 120_000_000_000;

    public static function true(string $what, callable $condition): void
    {
        $end = hrtime(true) + self::PATIENCE_NS;
        while (!$condition()) {
            if (hrtime(true) > $end) {
                throw new \Exception("never: $what");
            }
            usleep(5000);
        }
    }
}
