<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

/** The example program, and what the README shows, do what they say. */
final class ExampleTest extends TestCase
{
    private function report(): Script
    {
        return new Script(self::$server->url, '$argv = ["report.php", $url]; require '
            . var_export(dirname(__DIR__) . '/examples/report.php', true) . ';');
    }

    public function testExampleMakesTheReport(): void
    {
        $script = $this->report();
        $this->assertMatchesRegularExpression('/^making the report, fence \d+$/D', $script->line());
        $this->assertSame(0, $script->end());
        $this->assertFalse($this->isLocked('report'));
    }

    public function testExampleEndsInGoodOrderOnCtrlC(): void
    {
        $held = $this->client->lock('report')->acquire();
        $script = $this->report();
        Eventually::true('it waits', fn () => self::$server->waiting('report') === 1);
        $script->signal(SIGINT);
        $this->assertSame(128 + SIGINT, $script->end());
        $this->assertSame(0, self::$server->waiting('report'));
        $this->assertTrue($held->isHeld());
    }

    public function testReadmeBeginsWithWhatTheContractShows(): void
    {
        preg_match('/```php\n(.*?)```/s', file_get_contents(dirname(__DIR__) . '/README.md'), $found);
        $this->assertStringContainsString("'redis://127.0.0.1'", $found[1]);
        $code = preg_replace('/^require .*$/m', '', str_replace("'redis://127.0.0.1'", '$url', $found[1]));
        $script = new Script(self::$server->url, $code);
        $this->assertMatchesRegularExpression('/^\d{10,}$/D', $script->line());
        $this->assertSame(0, $script->end(), $script->errors());
    }
}
