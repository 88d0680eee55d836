<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock;

/**
 * What may be said anew with each acquire.
 *
 * @internal
 */
final readonly class Terms
{
    /** @param ?bool $renew null where nobody said: renewed, as there is no TTL of the caller's */
    public function __construct(public int $waitMs = 60000, public int $ttlMs = 30000, public ?bool $renew = null)
    {
    }

    public function with(?float $wait, ?float $ttl, ?bool $renew): self
    {
        return new self(
            $wait === null ? $this->waitMs : Check::wait($wait),
            $ttl === null ? $this->ttlMs : Check::ttl($ttl),
            $renew ?? $this->renew ?? ($ttl === null ? null : false),
        );
    }

    /** Tells a handle what it doesn't know yet. */
    public function tell(object $handle, self $known): int
    {
        $status = \REDISLOCK_OK;
        if ($this->waitMs !== $known->waitMs) {
            $status = \redislock_lock_set_wait_ms($handle, $this->waitMs);
        }
        if ($status === \REDISLOCK_OK && ($this->ttlMs !== $known->ttlMs || $this->renew !== $known->renew)) {
            $status = \redislock_lock_set_ttl_ms($handle, $this->ttlMs);
            if ($status === \REDISLOCK_OK) {
                $status = \redislock_lock_set_renewal($handle, ($this->renew ?? true) ? 1 : 0);
            }
        }
        return $status;
    }
}
