<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

use RedisLock\{InUseException, Lock, LostException, NotAcquiredException, NotOwnedException};

/** Locks: taken, released, extended, lost, in a closure, forgotten. */
final class LockTest extends TestCase
{
    /** @return array<string, callable(mixed ...): Lock> */
    private function kinds(): array
    {
        return [
            'lock' => fn (mixed ...$options) => $this->client->lock('foo', ...$options),
            'spinLock' => fn (mixed ...$options) => $this->client->spinLock('foo', ...$options),
        ];
    }

    public function testLockIsTakenKeepsOthersOutAndIsReleased(): void
    {
        foreach ($this->kinds() as $make) {
            $lock = $make();
            $other = $make(wait: 0);
            $this->assertFalse($lock->isHeld());
            $this->assertSame($lock, $lock->acquire());
            $this->assertTrue($lock->isHeld());
            $this->assertSame(self::$server->command('GET', 'foo'), $lock->token());
            $this->assertThrows(NotAcquiredException::class, 'held by somebody else', fn () => $other->acquire());
            $this->assertFalse($other->tryAcquire());
            $this->assertFalse($other->isHeld());
            $this->assertThrows(NotOwnedException::class, "doesn't hold the lock", fn () => $other->release());
            $this->assertThrows(InUseException::class, 'finish that first', fn () => $lock->acquire());
            $this->assertThrows(InUseException::class, 'finish that first', fn () => $lock->tryAcquire());
            $this->assertThrows(InUseException::class, 'finish that first', fn () => $lock->synchronized(fn () => null));
            $this->assertTrue($lock->isHeld());
            $lock->release();
            $this->assertFalse($lock->isHeld());
            $this->assertFalse($this->isLocked('foo'));
            $this->assertThrows(NotOwnedException::class, '', fn () => $lock->release());
            $this->assertTrue($other->tryAcquire());
            $other->release();
        }
    }

    public function testWaitsNoLongerThanToldAndNotShorter(): void
    {
        $held = $this->client->lock('foo')->acquire();
        foreach ($this->kinds() as $make) {
            $waiter = $make(wait: 0.05);
            $began = hrtime(true);
            $this->assertThrows(NotAcquiredException::class, '', fn () => $waiter->acquire());
            $this->assertGreaterThan(40_000_000, hrtime(true) - $began);
            $this->assertThrows(NotAcquiredException::class, '', fn () => $waiter->acquire(wait: 0.01));
        }
        $this->assertTrue($held->isHeld());
        $this->assertSame(0, self::$server->waiting('foo'));
    }

    public function testWhatAcquireIsGivenCountsForThatCallOnly(): void
    {
        $lock = $this->client->lock('foo', ttl: 100);
        $lock->acquire(wait: 0, ttl: 5);
        $this->assertLessThanOrEqual(5, $lock->remaining());
        $lock->release();
        $this->assertGreaterThan(90, $lock->acquire()->remaining());
        $lock->release();
        $lock->acquire(ttl: INF);
        // It begins with a short lease, in case that nobody hears of it.
        Eventually::true('the lock has no end', fn () => $lock->remaining() === INF);
        $this->assertSame(-1, self::$server->command('PTTL', 'foo'));
        $lock->release();
        $this->assertTrue($lock->tryAcquire(ttl: 7));
        $this->assertLessThanOrEqual(7, $lock->remaining());
        $lock->release();
    }

    private function survives(Lock $lock, mixed ...$terms): bool
    {
        $lock->acquire(...$terms);
        $end = hrtime(true) + 500_000_000;
        while (hrtime(true) < $end && $lock->isHeld()) {
            usleep(10000);
        }
        $held = $lock->isHeld();
        try {
            $lock->release();
        } catch (LostException) {
            self::$server->command('DEL', 'foo');
        }
        return $held;
    }

    public function testLeaseIsRenewedByDefaultNotWithATtlAndWithATtlWhereAskedFor(): void
    {
        $this->assertFalse($this->survives($this->client->lock('foo', ttl: 0.15)));
        $this->assertFalse($this->survives($this->client->lock('foo'), ttl: 0.15));
        $this->assertFalse($this->survives($this->client->lock('foo', ttl: 0.15, renew: true), renew: false));
        // Renewal at a third of the TTL: a busy machine may miss one, so this asks for less than it could.
        $kept = false;
        for ($try = 0; $try < 20 && !$kept; $try++) {
            $kept = $this->survives($this->client->lock('foo', ttl: 0.3, renew: true))
                && $this->survives($this->client->lock('foo', renew: true), ttl: 0.3);
        }
        $this->assertTrue($kept);
    }

    public function testExtendSetsTheLeaseFromNowOn(): void
    {
        $lock = $this->client->lock('foo', ttl: 20);
        $this->assertThrows(NotOwnedException::class, '', fn () => $lock->extend(5));
        $lock->acquire();
        $lock->extend(100);
        $this->assertGreaterThan(90, $lock->remaining());
        $lock->extend(2.5);
        $this->assertLessThanOrEqual(2.5, $lock->remaining());
        $lock->extend();
        $this->assertGreaterThan(10, $lock->remaining());
        $lock->extend(INF);
        $this->assertSame(INF, $lock->remaining());
        $lock->release();
        $this->assertSame(0.0, (float) $lock->remaining());
    }

    public function testFenceIsExactToItsLastDigitAndRises(): void
    {
        $lock = $this->client->lock('foo');
        $this->assertSame(0, $lock->fence());
        $this->assertNull($lock->token());
        self::$server->command('SET', 'rlock-state:{foo}:foo', '9007199254740988 x - ', 'PX', '60000');
        foreach ([9007199254740989, 9007199254740990, 9007199254740991] as $fence) {
            $lock->acquire();
            $this->assertSame($fence, $lock->fence());
            $this->assertSame($fence, $this->client->status('foo')->fence);
            $lock->release();
            $this->assertSame($fence, $lock->fence());
        }
    }

    public function testLostLockIsToldByTheNextCall(): void
    {
        $lock = $this->client->lock('foo')->acquire();
        self::$server->command('SET', 'foo', 'somebody else');
        $this->assertThrows(LostException::class, '', fn () => $lock->release());
        $this->assertFalse($lock->isHeld());
        $this->assertSame('somebody else', self::$server->command('GET', 'foo'));
        self::$server->command('DEL', 'foo');
        $lock->acquire();
        self::$server->command('DEL', 'foo');
        $this->assertThrows(LostException::class, '', fn () => $lock->extend(5));
        $lock->acquire()->release();
    }

    public function testSynchronizedReleasesAndReturnsWhatTheFunctionReturns(): void
    {
        $lock = $this->client->lock('foo');
        $this->assertSame([1, 2], $lock->synchronized(function (Lock $held) use ($lock): array {
            $this->assertSame($lock, $held);
            $this->assertTrue($this->isLocked('foo'));
            return [1, 2];
        }));
        $this->assertFalse($this->isLocked('foo'));
        $this->assertNull($lock->synchronized(fn () => $lock->release()));
        $other = $this->client->lock('foo')->acquire();
        $this->assertThrows(NotAcquiredException::class, '', fn () => $this->client->lock('foo', wait: 0)
            ->synchronized(fn () => $this->fail('called without the lock')));
        $this->assertTrue($other->isHeld());
    }

    public function testSynchronizedReleasesAndKeepsWhatTheFunctionThrows(): void
    {
        $lock = $this->client->lock('foo');
        $mine = new \DomainException('on purpose');
        $thrown = $this->assertThrows(\DomainException::class, 'on purpose', fn () => $lock->synchronized(fn () => throw $mine));
        $this->assertSame($mine, $thrown);
        $this->assertFalse($this->isLocked('foo'));
        // Also where the release fails.
        $thrown = $this->assertThrows(\DomainException::class, 'on purpose', fn () => $lock->synchronized(function () use ($mine) {
            self::$server->command('DEL', 'foo');
            throw $mine;
        }));
        $this->assertSame($mine, $thrown);
        $this->assertNull($thrown->getPrevious());
        // Which is told where there is nothing to hide.
        $this->assertThrows(LostException::class, '', fn () => $lock->synchronized(
            fn () => self::$server->command('DEL', 'foo')));
        $this->assertNull($lock->synchronized(fn () => null));
    }

    public function testFiberThatIsDroppedInTheMiddleReleases(): void
    {
        $lock = $this->client->lock('foo');
        $fiber = new \Fiber(fn () => $lock->synchronized(fn () => \Fiber::suspend()));
        $fiber->start();
        $this->assertTrue($this->isLocked('foo'));
        unset($fiber);
        gc_collect_cycles();
        $this->assertFalse($this->isLocked('foo'));
    }

    public function testForgottenLockIsReleased(): void
    {
        $lock = $this->client->lock('foo')->acquire();
        $this->assertTrue($this->isLocked('foo'));
        unset($lock);
        $this->assertFalse($this->isLocked('foo'));
        // The client may be forgotten first.
        $lock = (new \RedisLock\Client(self::$server->url))->lock('foo')->acquire();
        $this->client = new \RedisLock\Client(self::$server->url);
        $this->assertTrue($this->isLocked('foo'));
        unset($lock);
        $this->assertFalse($this->isLocked('foo'));
        // In a cycle, it takes the collector.
        $cycle = new \stdClass();
        $cycle->self = $cycle;
        $cycle->lock = $this->client->lock('foo')->acquire();
        unset($cycle);
        $this->assertTrue($this->isLocked('foo'));
        gc_collect_cycles();
        $this->assertFalse($this->isLocked('foo'));
    }

    public function testSpinLockHasAnIntervalThatMayGrow(): void
    {
        $held = $this->client->lock('foo')->acquire();
        $tries = function (mixed ...$options): int {
            self::$server->command('CONFIG', 'RESETSTAT');
            $this->assertThrows(NotAcquiredException::class, '', fn () => $this->client->spinLock('foo', ...$options)->acquire());
            preg_match_all('/^cmdstat_eval(?:sha)?:calls=(\d+)/m', self::$server->command('INFO', 'commandstats'), $calls);
            return array_sum($calls[1]);
        };
        // A busy machine tries less often, but never more.
        $this->assertLessThanOrEqual(3, $tries(wait: 0.4, interval: 1000));
        $this->assertLessThanOrEqual(10, $tries(wait: 0.4, interval: 0.001, growth: 10, maxInterval: 1000));
        $most = 0;
        for ($try = 0; $try < 20 && $most <= 10; $try++) {
            $most = $tries(wait: 0.4, interval: 0.001, growth: 10, maxInterval: 0.002);
        }
        $this->assertGreaterThan(10, $most);
        $this->assertTrue($held->isHeld());
    }

    public function testOwnerAndTokenAreWhatOthersSee(): void
    {
        $lock = $this->client->lock('foo', owner: 'päivi 1', token: 'my-token')->acquire();
        $this->assertSame('päivi 1', $lock->owner);
        $this->assertSame('my-token', $lock->token());
        $status = $this->client->status('foo');
        $this->assertSame(['päivi 1', 'my-token'], [$status->owner, $status->token]);
        $this->assertThrows(InUseException::class, '', fn () => $this->client->lock('bar', token: 'my-token')->acquire());
    }

    public function testNamesMayHaveAnyBytes(): void
    {
        foreach (["with\0zero", "\xff\xfe", 'a}b', str_repeat('x', 32768), "line\n"] as $name) {
            $lock = $this->client->lock($name)->acquire();
            $this->assertSame($name, $lock->name);
            $this->assertSame("rlock-channel:$name", $lock->channel);
            $this->assertTrue($this->isLocked($name));
            $lock->release();
            $this->assertFalse($this->isLocked($name));
        }
    }

    public function testLockIsWaitedForUntilItIsReleased(): void
    {
        $lock = $this->client->lock('foo')->acquire();
        $waiter = new Script(self::$server->url, <<<'PHP'
            $client->lock('foo', wait: INF)->synchronized(fn ($lock) => say($lock->fence()));
            PHP);
        Eventually::true('it waits', fn () => self::$server->waiting('foo') === 1);
        $this->assertSame(1, $this->client->status('foo')->waiters);
        $lock->release();
        $this->assertGreaterThan($lock->fence(), (int) $waiter->line());
        $this->assertSame(0, $waiter->end());
        $this->assertFalse($this->isLocked('foo'));
    }

    public function testPlaceIsOfAWaiterOnly(): void
    {
        $this->assertNull($this->client->lock('foo')->acquire()->place());
    }

    public function testObjectsCantBeChangedCopiedOrKept(): void
    {
        $lock = $this->client->lock('foo');
        $this->assertSame($this->client, $lock->client);
        foreach (['name', 'client', 'owner', 'channel'] as $property) {
            $this->assertThrows(\Error::class, "Cannot modify readonly property RedisLock\\Lock::\$$property",
                fn () => $lock->$property = 'bar');
        }
        foreach ([$lock, $this->client] as $object) {
            $this->assertThrows(\Error::class, 'private ' . $object::class . '::__clone()', fn () => clone $object);
            $this->assertThrows(\LogicException::class, "can't be serialized", fn () => serialize($object));
            $this->assertStringNotContainsString('handle', print_r($object, true));
        }
        $this->assertSame(['name' => 'foo', 'owner' => null, 'held' => false, 'fence' => 0], $lock->__debugInfo());
    }
}
