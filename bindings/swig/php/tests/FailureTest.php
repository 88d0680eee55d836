<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

use RedisLock\{AuthenticationException, Client, ConnectionException, ConnectionLostException, ConnectionRefusedException,
    ForkedException, NotEnoughReplicasException, NotOwnedException, PermissionException, ProtocolException, ReadOnlyException,
    ServerException, TimeoutException};

/** A server that is away, refuses, or is none; forks. */
final class FailureTest extends TestCase
{
    private function impatient(): Client
    {
        return new Client(self::$server->url, connectTimeout: 1, commandTimeout: 1);
    }

    public function testServerThatIsNotThere(): void
    {
        $client = new Client('unix:///nowhere/socket');
        foreach ([$client->ping(...), $client->connect(...), fn () => $client->lock('foo')->acquire(),
            fn () => $client->lock('foo')->tryAcquire(), fn () => $client->lock('foo')->synchronized(fn () => null),
            fn () => $client->status('foo'), fn () => $client->break('foo'),
            fn () => iterator_to_array($client->list())] as $call) {
            $thrown = $this->assertThrows(ConnectionRefusedException::class, '/nowhere/socket', $call);
            $this->assertInstanceOf(ConnectionException::class, $thrown);
            $this->assertInstanceOf(\RedisLock\Exception::class, $thrown);
            $this->assertInstanceOf(\RuntimeException::class, $thrown);
            $this->assertSame(0, $thrown->getCode());
        }
    }

    public function testServerThatDoesntAnswerOrGoesAway(): void
    {
        $client = $this->impatient();
        $lock = $client->lock('foo')->acquire();
        posix_kill(self::$server->pid(), SIGSTOP);
        $this->assertThrows(TimeoutException::class, '', fn () => $client->ping());
        posix_kill(self::$server->pid(), SIGCONT);
        Eventually::true('the server answers', function () use ($client): bool {
            try {
                $client->ping();
                return true;
            } catch (ConnectionException) {
                return false;
            }
        });
        self::$server->kill();
        try {
            $lock->extend(10);
            $this->fail('the server is gone');
        } catch (ConnectionException $thrown) {
            $this->assertContains($thrown::class, [ConnectionLostException::class, ConnectionRefusedException::class]);
        }
        self::$server->start();
        $this->assertThrows(\RedisLock\LostException::class, '', fn () => $lock->release());
        $lock->acquire()->release();
    }

    public function testPeerThatIsNoServer(): void
    {
        $path = self::$server->folder . '/stranger';
        $stranger = new Script(self::$server->url, '$server = stream_socket_server("unix://' . $path . '"); say("ready");'
            . 'while ($peer = stream_socket_accept($server, 600)) { fread($peer, 100); fwrite($peer, "HTTP/1.1 400\r\n\r\n"); }');
        $this->assertSame('ready', $stranger->line());
        $this->assertThrows(ProtocolException::class, '', fn () => (new Client("unix://$path"))->ping());
    }

    public function testServerThatRefuses(): void
    {
        $client = $this->impatient();
        $lock = $client->lock('foo');
        $config = fn (string ...$words) => self::$server->command('CONFIG', 'SET', ...$words);
        self::$server->command('ACL', 'SETUSER', 'default', '-evalsha', '-eval');
        $this->assertThrows(PermissionException::class, 'NOPERM', fn () => $lock->acquire());
        self::$server->command('ACL', 'SETUSER', 'default', '+evalsha', '+eval');
        $config('min-replicas-to-write', '1');
        $this->assertThrows(NotEnoughReplicasException::class, 'NOREPLICAS', fn () => $lock->acquire());
        $config('min-replicas-to-write', '0');
        self::$server->command('REPLICAOF', '127.0.0.1', '1');
        $this->assertThrows(ReadOnlyException::class, 'READONLY', fn () => $lock->acquire(wait: 0));
        self::$server->command('REPLICAOF', 'NO', 'ONE');
        $config('maxmemory', '1');
        $thrown = $this->assertThrows(ServerException::class, 'OOM', fn () => $lock->acquire());
        $this->assertInstanceOf(\RedisLock\Exception::class, $thrown);
        $config('maxmemory', '0');
        // The text of a failure is not that of an earlier one.
        $thrown = $this->assertThrows(NotOwnedException::class, '', fn () => $lock->release());
        $this->assertStringNotContainsString('OOM', $thrown->getMessage());
        $lock->acquire()->release();
    }

    public function testWrongPassword(): void
    {
        $client = $this->impatient();
        self::$server->command('CONFIG', 'SET', 'requirepass', 'secret');
        try {
            $this->assertThrows(AuthenticationException::class, 'NOAUTH', fn () => $client->ping());
            $wrong = new Client(self::$server->url, password: 'wrong-password');
            $thrown = $this->assertThrows(AuthenticationException::class, 'refused the password', fn () => $wrong->lock('foo')->acquire());
            $this->assertStringNotContainsString('wrong-password', (string) $thrown);
            (new Client(self::$server->url, password: 'secret'))->ping();
            (new Client(self::$server->url, user: 'default', password: 'secret'))->ping();
            $wrong->setCredentials('default', 'secret');
            $wrong->lock('foo')->acquire()->release();
            $rotated = new Client(self::$server->url, password: 'old');
            $rotated->setCredentials(null, 'secret');
            $rotated->ping();
            $rotated->setCredentials(null, null);
            $rotated->ping();
            $this->assertThrows(\ValueError::class, '$password must not contain', fn () => $client->setCredentials('me', "\0"));
        } finally {
            self::$server->command('CONFIG', 'SET', 'requirepass', '');
        }
    }

    public function testPasswordsAreNotInTraces(): void
    {
        $thrown = $this->assertThrows(\ValueError::class, '', fn () => new Client('redis://:hidden@a:b', password: 'secret'));
        $this->assertInstanceOf(\SensitiveParameterValue::class, $thrown->getTrace()[0]['args'][0] ?? null);
        $this->assertInstanceOf(\SensitiveParameterValue::class, $thrown->getTrace()[0]['args'][2] ?? null);
        $thrown = $this->assertThrows(\ValueError::class, '', fn () => $this->client->setCredentials('me', "\0secret"));
        $this->assertStringNotContainsString('secret', print_r(array_slice(array_column($thrown->getTrace(), 'args'), 0, 2), true));
    }

    public function testChildProcessIsToldAndLeavesTheParentsLockAlone(): void
    {
        $script = new Script(self::$server->url, <<<'PHP'
            $lock = $client->lock('foo')->acquire();
            $child = pcntl_fork();
            if ($child === 0) {
                foreach ([$lock->release(...), $lock->extend(...), $client->ping(...), fn () => $client->lock('bar'),
                    fn () => $client->status('foo'), $lock->acquire(...)] as $call) {
                    try {
                        $call();
                        say('none');
                    } catch (Throwable $thrown) {
                        say($thrown::class);
                    }
                }
                say(var_export($lock->isHeld(), true), $lock->remaining());
                (new RedisLock\Client($url))->ping();
                exit(7);
            }
            pcntl_waitpid($child, $status);
            say(pcntl_wexitstatus($status), var_export($lock->isHeld(), true));
            $client->status('foo')->token === $lock->token() && $lock->release();
            // The child comes out of the closure, too.
            $child = $lock->synchronized(fn () => pcntl_fork());
            if ($child === 0) {
                exit(8);
            }
            pcntl_waitpid($child, $status);
            say(pcntl_wexitstatus($status));
            PHP);
        for ($call = 0; $call < 6; $call++) {
            $this->assertSame(ForkedException::class, $script->line());
        }
        $this->assertSame('false 0', $script->line());
        $this->assertSame('7 true', $script->line());
        $this->assertSame('8', $script->line());
        $this->assertSame(0, $script->end());
        $this->assertFalse($this->isLocked('foo'));
    }

    public function testEachStatusHasAClass(): void
    {
        $notThrown = ['OK', 'NOT_LOCKED', 'END', 'INTERRUPTED', 'INTERNAL', 'WRONG_MODE'];
        $failures = array_filter(get_defined_constants(true)['redislock'], fn (mixed $number, string $name) => is_int($number)
            && \redislock_error_name($number) === substr($name, strlen('REDISLOCK_'))
            && !in_array(\redislock_error_name($number), $notThrown, true), ARRAY_FILTER_USE_BOTH);
        $this->assertCount(19, $failures);
        foreach ($failures as $name => $number) {
            $this->assertNotInstanceOf(\RedisLock\InternalException::class, \RedisLock\Failure::of($number), $name);
        }
        $this->assertInstanceOf(\RedisLock\InternalException::class, \RedisLock\Failure::of(\REDISLOCK_INTERNAL));
    }
}
