<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock;

/** What was seen of a name at one moment; see {@see Client::status()}. */
final readonly class Status
{
    /**
     * @internal
     *
     * @param bool    $locked    whether it was locked
     * @param ?string $token     the holder's token
     * @param ?string $owner     the holder's label; null for none, and for a holder that isn't a redislock
     * @param float   $remaining how long the lock would have lasted without a renewal: seconds, INF without an end,
     *                           0 when it wasn't locked
     * @param int     $waiters   how many waited in the queue
     * @param int     $fence     the last fencing token of the name; 0 for none
     */
    public function __construct(
        public string $name,
        public bool $locked,
        public ?string $token,
        public ?string $owner,
        public float $remaining,
        public int $waiters,
        public int $fence,
    ) {
    }
}
