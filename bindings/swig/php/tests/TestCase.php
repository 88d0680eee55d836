<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

use RedisLock\Client;

/** A test with a real server, one for each class of tests and empty for each test. */
abstract class TestCase extends \PHPUnit\Framework\TestCase
{
    protected static ?Server $server = null;
    protected Client $client;

    public static function setUpBeforeClass(): void
    {
        self::$server = new Server();
    }

    public static function tearDownAfterClass(): void
    {
        self::$server = null;
    }

    protected function setUp(): void
    {
        self::$server->command('FLUSHALL');
        $this->client = new Client(self::$server->url);
    }

    protected function isLocked(string $name): bool
    {
        return self::$server->command('EXISTS', $name) === 1;
    }

    /** What a call throws must be of this very class, and its message must have these words. */
    protected function assertThrows(string $class, string $words, callable $call): \Throwable
    {
        try {
            $call();
        } catch (\PHPUnit\Framework\Exception $failure) {
            throw $failure;
        } catch (\Throwable $thrown) {
            $this->assertSame($class, $thrown::class, $thrown->getMessage());
            $this->assertStringContainsString($words, $thrown->getMessage());
            return $thrown;
        }
        $this->fail("no $class");
    }
}
