<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

/** Signals while a script waits, and how scripts end. */
final class SignalTest extends TestCase
{
    private const WAIT = <<<'PHP'
        try {
            $lock = $client->lock('foo', wait: INF);
            $lock->acquire();
            say('acquired');
            $lock->release();
        } catch (DomainException $thrown) {
            say($thrown->getMessage(), var_export($lock->isHeld(), true));
        }
        PHP;

    private function waits(string $name = 'foo', int $count = 1): void
    {
        Eventually::true('it waits', fn () => self::$server->waiting($name) === $count);
    }

    public function testHandlerThatThrowsEndsTheWaitAtOnceAndLeavesTheQueue(): void
    {
        // Called asynchronously, or by pcntl_signal_dispatch().
        foreach (['true', 'false'] as $async) {
            $held = $this->client->lock('foo')->acquire();
            $script = new Script(self::$server->url, "pcntl_async_signals($async);" . <<<'PHP'
                pcntl_signal(SIGUSR1, fn () => throw new DomainException('given up'));
                PHP . self::WAIT . <<<'PHP'
                fgets(STDIN);
                $lock->synchronized(fn () => say('another time'));
                PHP);
            $this->waits();
            $script->signal(SIGUSR1);
            $this->assertSame('given up false', $script->line());
            $this->assertSame(0, self::$server->waiting('foo'));
            $held->release();
            $script->tell('go on');
            $this->assertSame('another time', $script->line());
            $this->assertSame(0, $script->end());
        }
    }

    public function testWaitGoesOnInItsPlaceWhereNoHandlerThrows(): void
    {
        foreach (['true', 'false'] as $async) {
            $held = $this->client->lock('foo')->acquire();
            $script = new Script(self::$server->url, "pcntl_async_signals($async);" . <<<'PHP'
                pcntl_signal(SIGUSR1, function () use (&$lock) { say('handled in place', $lock->place()); });
                PHP . self::WAIT);
            $this->waits();
            $first = self::$server->command('ZRANGE', 'rlock-queue:{foo}:foo', '0', '-1', 'WITHSCORES');
            $behind = new Script(self::$server->url, "\$client->lock('foo', wait: INF)->synchronized(fn () => say('second'));");
            $this->waits(count: 2);
            for ($i = 0; $i < 3; $i++) {
                $script->signal(SIGUSR1);
                $this->assertSame('handled in place 0', $script->line());
            }
            $this->assertSame($first, self::$server->command('ZRANGE', 'rlock-queue:{foo}:foo', '0', '0', 'WITHSCORES'));
            $held->release();
            $this->assertSame('acquired', $script->line());
            $this->assertSame('second', $behind->line());
            $this->assertSame(0, $script->end());
        }
    }

    public function testAlarmEndsAWait(): void
    {
        $held = $this->client->lock('foo')->acquire();
        $script = new Script(self::$server->url, <<<'PHP'
            pcntl_async_signals(true);
            pcntl_signal(SIGALRM, fn () => throw new DomainException('time is over'));
            PHP . str_replace('try {', 'try { pcntl_alarm(1);', self::WAIT));
        $this->assertSame('time is over false', $script->line());
        $this->assertTrue($held->isHeld());
    }

    public function testHandlerThatUsesTheLockItWaitsForIsRefused(): void
    {
        $held = $this->client->lock('foo')->acquire();
        $script = new Script(self::$server->url, <<<'PHP'
            pcntl_async_signals(true);
            pcntl_signal(SIGUSR1, function () use (&$lock) {
                foreach ([$lock->acquire(...), fn () => $lock->synchronized(fn () => null), $lock->release(...)] as $call) {
                    try {
                        $call();
                        say('none');
                    } catch (Throwable $thrown) {
                        say($thrown::class);
                    }
                }
            });
            PHP . self::WAIT);
        $this->waits();
        $script->signal(SIGUSR1);
        $this->assertSame('RedisLock\InUseException', $script->line());
        $this->assertSame('RedisLock\InUseException', $script->line());
        $this->assertSame('RedisLock\NotOwnedException', $script->line());
        $this->assertSame(1, self::$server->waiting('foo'));
        $held->release();
        $this->assertSame('acquired', $script->line());
        $this->assertSame(0, $script->end());
    }

    public function testSignalWithoutAHandlerEndsTheScript(): void
    {
        $held = $this->client->lock('foo')->acquire();
        $script = new Script(self::$server->url, self::WAIT);
        $this->waits();
        $script->signal(SIGINT);
        $this->assertSame(-SIGINT, $script->end());
        $held->release();
        $this->assertTrue($this->client->lock('foo')->tryAcquire());
    }

    public function testScriptThatEndsWithALockHeldReleasesIt(): void
    {
        $ends = ['' => 0, 'exit(3);' => 3, 'throw new Exception("on purpose");' => 255, 'no_such_function();' => 255,
            'ini_set("memory_limit", "4M"); str_repeat("x", 8000000);' => 255,
            '$lock->synchronized(fn () => 1); $lock->synchronized(fn () => exit(4));' => 4,
            'pcntl_async_signals(true); pcntl_signal(SIGTERM, fn () => exit(5)); posix_kill(getmypid(), SIGTERM); usleep(1);' => 5];
        foreach ($ends as $end => $status) {
            $script = new Script(self::$server->url, <<<'PHP'
                $lock = $client->lock('foo');
                $other = $client->lock('bar')->acquire();
                say($client->status('bar')->locked);
                PHP . $end);
            $this->assertSame('1', $script->line(), $end);
            $this->assertSame($status, $script->end(), $end);
            $this->assertFalse($this->isLocked('foo'), $end);
            $this->assertFalse($this->isLocked('bar'), $end);
        }
    }

    public function testExtensionIsAskedForByName(): void
    {
        exec(PHP_BINARY . ' -n -r ' . escapeshellarg('require ' . var_export(dirname(__DIR__) . '/autoload.php', true)
            . '; new RedisLock\Client();') . ' 2>&1', $output, $status);
        $this->assertSame(255, $status);
        $this->assertStringContainsString('needs the extension redislock', implode("\n", $output));
    }
}
