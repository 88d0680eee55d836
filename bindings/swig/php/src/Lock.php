<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock;

/**
 * One name: free, or held by this object at most once. Two objects with one name exclude each other, also in one process.
 *
 * A lock that nobody refers to any more is released, and so are those of a script that ends, whichever way. Made by
 * {@see Client::lock()} and {@see Client::spinLock()}.
 */
final class Lock
{
    /** The channel on which releases are announced to others than redislock. */
    public readonly string $channel;

    /** As the handle knows them. */
    private Terms $known;

    private bool $waiting = false;

    /**
     * @internal
     *
     * @param Terms $terms as the lock was made
     */
    public function __construct(
        public readonly Client $client,
        private readonly object $handle,
        public readonly string $name,
        public readonly ?string $owner,
        private readonly Terms $terms,
    ) {
        $this->channel = \redislock_lock_channel($handle);
        $this->known = new Terms();
    }

    /**
     * Calls a function with the lock held, and returns what it returns. The lock is released then, and also if the function
     * throws: nothing that goes wrong with the release hides that.
     *
     * @template T
     *
     * @param callable(Lock): T $body
     *
     * @return T
     *
     * @throws NotAcquiredException
     * @throws LostException if the lock ended while the function ran
     * @throws Exception
     */
    public function synchronized(callable $body): mixed
    {
        $this->refuseBusy();
        $good = false;
        try {
            $this->acquire();
            $result = $body($this);
            $good = true;
            return $result;
        } finally {
            $this->end($good);
        }
    }

    /** @param bool $told whether a failure is thrown */
    private function end(bool $told): void
    {
        $status = \redislock_lock_release($this->handle);
        // The function may have released it by itself, or be in a child process that it made.
        if ($told && $status !== \REDISLOCK_NOT_OWNED && $status !== \REDISLOCK_FORKED) {
            $this->check($status);
        }
    }

    /**
     * Takes the lock, waiting for it. What is given counts for this call only; see {@see Client::lock()}.
     *
     * @return $this
     *
     * @throws NotAcquiredException the wait ended first
     * @throws InUseException       it is held already by this object
     * @throws LostException        the last hold was lost, and nobody was told yet; it is free again
     * @throws Exception
     */
    public function acquire(?float $wait = null, ?float $ttl = null, ?bool $renew = null): static
    {
        $this->check($this->await($this->terms->with($wait, $ttl, $renew)));
        return $this;
    }

    /**
     * Takes the lock if nobody else holds it.
     *
     * @return bool whether it is held now
     *
     * @throws Exception as {@see Lock::acquire()}
     */
    public function tryAcquire(?float $ttl = null, ?bool $renew = null): bool
    {
        $status = $this->await($this->terms->with(0, $ttl, $renew));
        if ($status === \REDISLOCK_NOT_ACQUIRED) {
            return false;
        }
        $this->check($status);
        return true;
    }

    private function await(Terms $terms): int
    {
        $this->refuseBusy();
        $this->check($terms->tell($this->handle, $this->known));
        $this->known = $terms;
        $this->waiting = true;
        $decided = false;
        try {
            $status = $this->acquireBetweenSignals();
            $decided = true;
            return $status;
        } finally {
            $this->waiting = false;
            // A handler has thrown, maybe just when the lock came; and maybe another one does.
            if (!$decided) {
                try {
                    \redislock_lock_cancel($this->handle);
                } finally {
                    \redislock_lock_release($this->handle);
                }
            }
        }
    }

    /** A signal stops the wait for a moment, in which its handler is called; then the wait goes on, in its place. */
    private function acquireBetweenSignals(): int
    {
        $signals = function_exists('pcntl_async_signals');
        // Asynchronously, so that one which comes while a handler runs isn't left for after the wait.
        $asynchronous = $signals && \pcntl_async_signals(true);
        try {
            if ($signals && !$asynchronous) {
                \pcntl_signal_dispatch();
            }
            do {
                $status = \redislock_lock_acquire($this->handle);
            } while ($status === \REDISLOCK_INTERRUPTED);
            return $status;
        } finally {
            if ($signals) {
                \pcntl_async_signals($asynchronous);
            }
        }
    }

    /**
     * Releases the lock, handing it to the first waiter. After another failure than these it is renewed no more, may stay
     * locked until its TTL ends, and releasing can be tried again.
     *
     * @throws NotOwnedException this object doesn't hold it
     * @throws LostException     it had ended before
     * @throws Exception
     */
    public function release(): void
    {
        $this->check(\redislock_lock_release($this->handle));
    }

    /**
     * Sets the lease to a TTL from now on; a renewed lease goes on with it.
     *
     * @param ?float $ttl 0.001 to 9007199254740, or INF; null: that of the last acquire
     *
     * @throws NotOwnedException this object doesn't hold it
     * @throws LostException     it had ended before
     * @throws Exception         the former lease still counts
     */
    public function extend(?float $ttl = null): void
    {
        $this->check(\redislock_lock_extend($this->handle, $ttl === null ? $this->known->ttlMs : Check::ttl($ttl)));
    }

    /** Whether it is held still, by this process's own clock; nothing is sent. */
    public function isHeld(): bool
    {
        return \redislock_lock_is_held($this->handle) === 1;
    }

    /**
     * How long it is sure to be held still, if nothing renews it; nothing is sent.
     *
     * @return float seconds, INF without an end, 0 when it isn't held
     */
    public function remaining(): float
    {
        $remaining = \redislock_lock_remaining_ms($this->handle);
        return $remaining === \REDISLOCK_NO_EXPIRY ? INF : $remaining / 1000;
    }

    /**
     * The fencing token of the present or last hold: it rises with every grant of this name, so that a resource which
     * remembers the highest it has seen can refuse a late holder. 0 before the first hold.
     */
    public function fence(): int
    {
        return \redislock_lock_fence($this->handle);
    }

    /** What tells this hold from others; null before the first. */
    public function token(): ?string
    {
        [, $token] = \redislock_lock_token($this->handle);
        return $token !== '' ? $token : null;
    }

    /** How many wait before it in the queue, as last heard, for a signal handler to ask; null when it doesn't wait there. */
    public function place(): ?int
    {
        $place = \redislock_lock_place($this->handle);
        return $place >= 0 ? $place : null;
    }

    private function refuseBusy(): void
    {
        // Waiting: a signal handler calls.
        if ($this->waiting || $this->isHeld()) {
            throw Failure::of(\REDISLOCK_IN_USE);
        }
    }

    private function check(int $status): void
    {
        if ($status !== \REDISLOCK_OK) {
            throw Failure::ofLock($status, $this->handle);
        }
    }

    /** There is one of each. */
    private function __clone()
    {
    }

    public function __serialize(): array
    {
        throw new \LogicException('a lock is of its process: it can\'t be serialized');
    }

    public function __debugInfo(): array
    {
        return ['name' => $this->name, 'owner' => $this->owner, 'held' => $this->isHeld(), 'fence' => $this->fence()];
    }
}
