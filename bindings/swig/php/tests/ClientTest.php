<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

use RedisLock\{Client, UnsupportedException, WrongTypeException};

/** The client: made, asked; and each option that is refused. */
final class ClientTest extends TestCase
{
    private const OPTIONS = ['connectTimeout', 'commandTimeout', 'wait', 'ttl', 'interval', 'maxInterval'];

    public function testVersionAndFeatures(): void
    {
        $this->assertMatchesRegularExpression('/^\d+\.\d+\.\d+$/D', Client::version());
        $this->assertSame(Client::version(), phpversion('redislock'));
        [$major, $minor, $patch] = array_map(intval(...), explode('.', Client::version()));
        $this->assertSame($major * 1000000 + $minor * 1000 + $patch, Client::versionNumber());
        $this->assertFalse(Client::has('no such thing'));
        $this->assertFalse(Client::has("resp3\0x"));
    }

    public function testUrlIsTheArgumentOrOfTheEnvironment(): void
    {
        putenv('REDISLOCK_URL=' . self::$server->url);
        $client = new Client();
        putenv('REDISLOCK_URL=redis://nowhere.invalid');
        $client->ping();
        (new Client(self::$server->url))->ping();
        $this->assertThrows(\RedisLock\ConnectionRefusedException::class, 'nowhere.invalid', fn () => (new Client())->ping());
        putenv('REDISLOCK_URL');
    }

    public function testConnectingSendsNothingUntilItIsAskedTo(): void
    {
        $connections = fn () => substr_count(self::$server->command('CLIENT', 'LIST'), 'name=by-name ');
        $client = new Client(self::$server->url, name: 'by-name');
        $client->lock('foo');
        $this->assertSame(0, $connections());
        $client->connect();
        $this->assertGreaterThan(0, $connections());
        unset($client);
        Eventually::true('it hangs up', fn () => $connections() === 0);
    }

    public function testUrlThatCantBeReadSaysWhyAndNeverThePassword(): void
    {
        $thrown = $this->assertThrows(\ValueError::class, '$url: the URL is wrong', fn () => new Client('redis://:secret@host:port'));
        $this->assertStringNotContainsString('secret', (string) $thrown);
        $this->assertThrows(UnsupportedException::class, 'its scheme is not supported', fn () => new Client('http://a'));
        $this->assertThrows(\ValueError::class, '$url must not contain any null bytes', fn () => new Client("unix:///a\0b"));
        $this->assertThrows(\ValueError::class, '$url: ', fn () => new Client(''));
    }

    public function testOptionsOfTheClientAreCheckedByName(): void
    {
        $make = fn (mixed ...$options) => fn () => new Client(self::$server->url, ...$options);
        $this->assertThrows(\Error::class, 'Unknown named parameter $timeout', $make(timeout: 1));
        foreach (['connectTimeout', 'commandTimeout'] as $option) {
            foreach ([0, -1, 0.0, INF, -INF, NAN, 2147484, 1e300] as $value) {
                $this->assertThrows(\ValueError::class, "\$$option must be seconds from 0.001 to 2147483, ",
                    $make(...[$option => $value]));
            }
            foreach (['1', [], true, null] as $value) {
                $this->assertThrows(\TypeError::class, "(\$$option) must be of type float", $make(...[$option => $value]));
            }
            $make(...[$option => 0.001])();
            $make(...[$option => 2147483])();
        }
        foreach (['user', 'password', 'name'] as $option) {
            $this->assertThrows(\TypeError::class, "(\$$option) must be of type ?string", $make(...[$option => 1]));
            $this->assertThrows(\ValueError::class, "\$$option must not contain any null bytes",
                $make(...['password' => 'x', $option => "a\0b"]));
        }
        foreach (['a b', "a\n", str_repeat('x', 256)] as $name) {
            $this->assertThrows(\ValueError::class, '$name must be up to 255 printable', $make(name: $name));
        }
        $this->assertThrows(\ValueError::class, '$user and $password must have', $make(user: 'me'));
        $this->assertThrows(\ValueError::class, '$user and $password must have', $make(password: str_repeat('x', 4097)));
    }

    public function testOptionsOfLocksAreCheckedByName(): void
    {
        $makers = [$this->client->lock(...), $this->client->spinLock(...)];
        foreach ($makers as $make) {
            $refused = fn (string $class, string $words, mixed ...$options)
                => $this->assertThrows($class, $words, fn () => $make('foo', ...$options));
            $refused(\Error::class, 'Unknown named parameter $waits', waits: 1);
            foreach ([-1, -0.001, NAN, -INF, 9007199254741, 1e300] as $value) {
                $refused(\ValueError::class, '$wait must be seconds from 0 to 9007199254740, or INF, ', wait: $value);
            }
            foreach ([0, -1, NAN, -INF, 9007199254741] as $value) {
                $refused(\ValueError::class, '$ttl must be seconds from 0.001 to 9007199254740, or INF, ', ttl: $value);
            }
            foreach (['1', [], true] as $value) {
                $refused(\TypeError::class, '($wait) must be of type float', wait: $value);
                $refused(\TypeError::class, '($ttl) must be of type ?float', ttl: $value);
            }
            $refused(\TypeError::class, '($renew) must be of type ?bool', renew: 1);
            $refused(\TypeError::class, '($owner) must be of type ?string', owner: 1);
            $refused(\TypeError::class, '($token) must be of type ?string', token: 1);
            foreach ([str_repeat('x', 256), "a\nb", "a\0b"] as $owner) {
                $refused(\ValueError::class, '$owner must be up to 255 bytes', owner: $owner);
            }
            foreach (['', 'a b', "a\0b", "\x7f", str_repeat('x', 129)] as $token) {
                $refused(\ValueError::class, '$token must be 1 to 128 printable', token: $token);
            }
            // The borders themselves are fine.
            foreach ([['wait' => 0], ['wait' => 9007199254740], ['wait' => INF], ['ttl' => 0.001], ['ttl' => 9007199254740],
                ['ttl' => INF], ['ttl' => 0.0001], ['owner' => str_repeat('x', 255)], ['owner' => ''],
                ['token' => str_repeat('x', 128)]] as $options) {
                $this->assertFalse($make('foo', ...$options)->isHeld());
            }
        }
        $this->assertThrows(\Error::class, 'Unknown named parameter $interval', fn () => $this->client->lock('foo', interval: 1));
        $refused = fn (string $class, string $words, mixed ...$options)
            => $this->assertThrows($class, $words, fn () => $this->client->spinLock('foo', ...$options));
        foreach ([0, -1, INF, NAN, 2147484] as $value) {
            $refused(\ValueError::class, '$interval must be seconds from 0.001 to 2147483, ', interval: $value);
            $refused(\ValueError::class, '$maxInterval must be seconds from 0.001 to 2147483, ', growth: 2, maxInterval: $value);
        }
        foreach ([0.99, 10.1, NAN, INF] as $value) {
            $refused(\ValueError::class, '$growth must be from 1 to 10, ', growth: $value, maxInterval: 1);
        }
        $refused(\TypeError::class, '($interval) must be of type float', interval: '1');
        $refused(\TypeError::class, '($growth) must be of type ?float', growth: '1');
        $refused(\TypeError::class, '($maxInterval) must be of type ?float', maxInterval: '1');
        $refused(\ValueError::class, '$growth and $maxInterval: both or none', growth: 2);
        $refused(\ValueError::class, '$growth and $maxInterval: both or none', maxInterval: 2);
        $this->client->spinLock('foo', interval: 0.001, growth: 1, maxInterval: 2147483);
        $lock = $this->client->lock('foo');
        $this->assertThrows(\Error::class, 'Unknown named parameter $owner', fn () => $lock->acquire(owner: 'me'));
        $this->assertThrows(\ValueError::class, '$wait must be', fn () => $lock->acquire(wait: -1));
        $this->assertThrows(\ValueError::class, '$ttl must be', fn () => $lock->acquire(ttl: 0));
        $this->assertThrows(\ValueError::class, '$ttl must be', fn () => $lock->tryAcquire(ttl: 0));
        $this->assertThrows(\ValueError::class, '$ttl must be', fn () => $lock->extend(0));
        $this->assertThrows(\TypeError::class, '($ttl) must be of type ?float', fn () => $lock->extend([]));
        $this->assertSame(0, substr_count(self::$server->command('INFO', 'commandstats'), 'cmdstat_eval'));
    }

    public function testNamesAreChecked(): void
    {
        foreach (['lock', 'spinLock', 'status', 'break'] as $method) {
            foreach (['', str_repeat('x', 32769), 'rlock-queue:{a}:a', 'rlock-state:'] as $name) {
                $this->assertThrows(\ValueError::class, '$name must ', fn () => $this->client->$method($name));
            }
            $this->assertThrows(\TypeError::class, '($name) must be of type string', fn () => $this->client->$method([]));
        }
        foreach (['', 'a b', "a\0"] as $token) {
            $this->assertThrows(\ValueError::class, '$token must be 1 to 128', fn () => $this->client->break('foo', $token));
        }
    }

    public function testStatusTellsWhoHoldsAName(): void
    {
        $status = $this->client->status('foo');
        $this->assertSame(['foo', false, null, null, 0.0, 0, 0], [$status->name, $status->locked, $status->token,
            $status->owner, $status->remaining, $status->waiters, $status->fence]);
        $lock = $this->client->lock('foo', ttl: 50)->acquire();
        $status = $this->client->status('foo');
        $this->assertSame([true, $lock->token(), null, $lock->fence()],
            [$status->locked, $status->token, $status->owner, $status->fence]);
        $this->assertGreaterThan(40, $status->remaining);
        $this->assertLessThanOrEqual(50, $status->remaining);
        $lock->extend(INF);
        $this->assertSame(INF, $this->client->status('foo')->remaining);
        $this->assertThrows(\Error::class, 'readonly', fn () => $status->locked = false);
        self::$server->command('RPUSH', 'typed', '1');
        $this->assertThrows(WrongTypeException::class, '', fn () => $this->client->status('typed'));
    }

    public function testListWalksOverWhatIsLocked(): void
    {
        $names = function (?string ...$pattern): array {
            $found = array_unique(iterator_to_array($this->client->list(...$pattern)));
            sort($found);
            return $found;
        };
        $this->assertSame([], $names());
        $held = array_map(fn ($name) => $this->client->lock($name)->acquire(), ['a', 'b1', 'b2', 'with space', "with\0zero"]);
        $this->client->lock('released')->acquire()->release();
        $this->assertSame(['a', 'b1', 'b2', "with\0zero", 'with space'], $names());
        $this->assertSame(['b1', 'b2'], $names('b*'));
        $this->assertSame(['b1'], $names('b[13]'));
        $this->assertSame([], $names('nothing'));
        foreach ($this->client->list() as $name) {
            break;
        }
        $this->assertThrows(\ValueError::class, '$pattern must not contain', fn () => $this->client->list("\0"));
        $this->assertThrows(\ValueError::class, '$pattern must have up to 4096', fn () => $this->client->list(str_repeat('x', 4097)));
        $this->assertCount(5, $held);
    }

    public function testBreakEndsAnybodysHold(): void
    {
        $this->assertFalse($this->client->break('foo'));
        $lock = $this->client->lock('foo')->acquire();
        $this->assertFalse($this->client->break('foo', 'another-token'));
        $this->assertTrue($this->isLocked('foo'));
        $this->assertTrue($this->client->break('foo', $lock->token()));
        $this->assertFalse($this->isLocked('foo'));
        $this->assertThrows(\RedisLock\LostException::class, '', fn () => $lock->release());
    }

    public function testLossCanBeSelected(): void
    {
        $stream = $this->client->lostStream();
        $lock = $this->client->lock('foo', ttl: 0.3, renew: true)->acquire();
        self::$server->command('SET', 'foo', 'somebody else');
        $readable = [$stream];
        $none = [];
        $this->assertSame(1, stream_select($readable, $none, $none, 120));
        $this->assertFalse($lock->isHeld());
        $this->assertSame(8, strlen(fread($stream, 8)));
        $readable = [$stream];
        $this->assertSame(0, stream_select($readable, $none, $none, 0));
        $this->assertThrows(\RedisLock\LostException::class, '', fn () => $lock->release());
    }

    public function testRawFunctionsHaveAPrefix(): void
    {
        $module = new \ReflectionExtension('redislock');
        $this->assertGreaterThan(50, count($module->getFunctions()));
        foreach (array_keys($module->getFunctions()) as $function) {
            $this->assertStringStartsWith('redislock_', $function);
        }
        foreach ($module->getClassNames() as $class) {
            $this->assertMatchesRegularExpression('/^(redislock|SWIG\\\\)/', $class);
        }
    }
}
