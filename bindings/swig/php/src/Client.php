<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock;

/**
 * A server, its connections and waiters.
 *
 *     $client = new RedisLock\Client('redis://127.0.0.1');
 *     $client->lock('report', wait: 10)->synchronized(fn ($lock) => print $lock->fence());
 *
 * Times are seconds, fractions included; INF is for ever, where that is allowed.
 */
final class Client
{
    private const DEFAULT_URL = 'redis://127.0.0.1:6379/0';

    private object $handle;

    /**
     * Nothing is sent: it connects at its first use.
     *
     * @param ?string $url            redis://[user[:password]@]host[:port][/db], the same with rediss:// for TLS (whom
     *                                to trust and who one is follow, as in ?ca=/etc/redis/ca.pem&cert=FILE&key=FILE),
     *                                redis+cluster://host[:port],host[:port]... for a cluster, with Sentinel
     *                                redis+sentinel://host[:port],host[:port].../service[/db], or
     *                                unix:///path[?db=N]; without one that of the environment variable
     *                                REDISLOCK_URL, else redis://127.0.0.1:6379/0
     * @param ?string $user           instead of that of the URL; not without a password
     * @param ?string $password       instead of that of the URL
     * @param ?string $name           of the connections, as in CLIENT LIST: up to 255 printable ASCII characters, no spaces
     * @param float   $connectTimeout how long connecting may take: 0.001 to 2147483
     * @param float   $commandTimeout how long the server may take for an answer; it bounds every call but a wait for a lock
     *
     * @throws \ValueError          for a URL that can't be read, or another argument out of its range
     * @throws UnsupportedException for a URL whose scheme this build lacks
     */
    public function __construct(
        #[\SensitiveParameter] ?string $url = null,
        ?string $user = null,
        #[\SensitiveParameter] ?string $password = null,
        ?string $name = null,
        float $connectTimeout = 5,
        float $commandTimeout = 5,
    ) {
        $url = Check::text('url', $url ?? (getenv('REDISLOCK_URL') ?: self::DEFAULT_URL));
        [$status, $handle] = \redislock_client_new($url);
        if ($status === \REDISLOCK_INVALID_ARGUMENT) {
            throw new \ValueError('$url: ' . \redislock_url_error($url)[1]);
        }
        if ($status !== \REDISLOCK_OK) {
            throw Failure::of($status, \redislock_url_error($url)[1]);
        }
        $this->handle = $handle;
        \redislock_client_set_connect_timeout_ms($handle, Check::timeout('connectTimeout', $connectTimeout));
        \redislock_client_set_command_timeout_ms($handle, Check::timeout('commandTimeout', $commandTimeout));
        Check::accepted(\redislock_client_set_name($handle, Check::text('name', $name)), 'name',
            'up to 255 printable ASCII characters without spaces');
        if ($user !== null || $password !== null) {
            $this->setCredentials($user, $password);
        }
        // Whatever a handler makes of a signal, it needs PHP to run; see Lock::await().
        \redislock_client_set_interruptible($handle, 1);
    }

    /** As in "1.0.0": that of the library which is loaded. */
    public static function version(): string
    {
        return \redislock_version_string();
    }

    /** The version as one number: major * 1000000 + minor * 1000 + patch. */
    public static function versionNumber(): int
    {
        return \redislock_version_number();
    }

    /** Whether the library has a feature, as in "tls", "sentinel", "cluster"; false for any it doesn't know. */
    public static function has(string $feature): bool
    {
        return !str_contains($feature, "\0") && \redislock_has($feature) === 1;
    }

    /**
     * A lock whose waiters queue, and are woken in order. Nothing is sent.
     *
     * @param string  $name  1 to 32768 bytes of any kind, not beginning with "rlock-queue:" or "rlock-state:"
     * @param float   $wait  how long to wait: 0 tries once, INF waits for ever
     * @param ?float  $ttl   how long the lock outlives its holder's last sign of life: 0.001 to 9007199254740, or INF, and
     *                       then no crash will ever free it. null: 30
     * @param ?bool   $renew whether the lease is kept alive until the release. null: without a TTL of yours
     * @param ?string $owner a label that tells people who holds it: up to 255 bytes without control characters
     * @param ?string $token 1 to 128 printable ASCII characters without spaces. Whoever sets one gives up the guarantee
     *                       that a stale release never ends a later hold. null: a random one for each acquisition
     *
     * @throws \ValueError for an argument out of its range
     */
    public function lock(
        string $name,
        float $wait = 60,
        ?float $ttl = null,
        ?bool $renew = null,
        ?string $owner = null,
        #[\SensitiveParameter] ?string $token = null,
    ): Lock {
        $handle = $this->newLock(\REDISLOCK_KIND_PUBSUB, $name, $owner, $token);
        return new Lock($this, $handle, $name, $owner, (new Terms())->with($wait, $ttl, $renew));
    }

    /**
     * A lock whose waiters try again at an interval, and have no place in the queue. Otherwise as {@see Client::lock()}.
     *
     * @param float  $interval    the pause between two tries: 0.001 to 2147483
     * @param ?float $growth      each pause is so many times the last one, 1 to 10; null: constant
     * @param ?float $maxInterval where it stops growing: 0.001 to 2147483; both or none
     *
     * @throws \ValueError for an argument out of its range
     */
    public function spinLock(
        string $name,
        float $wait = 60,
        ?float $ttl = null,
        ?bool $renew = null,
        ?string $owner = null,
        #[\SensitiveParameter] ?string $token = null,
        float $interval = 0.1,
        ?float $growth = null,
        ?float $maxInterval = null,
    ): Lock {
        $handle = $this->newLock(\REDISLOCK_KIND_SPIN, $name, $owner, $token);
        \redislock_lock_set_spin_interval_ms($handle, Check::timeout('interval', $interval));
        if (($growth === null) !== ($maxInterval === null)) {
            throw new \ValueError('$growth and $maxInterval: both or none must be given');
        }
        if ($growth !== null) {
            // Not a number is neither.
            if (!($growth >= 1 && $growth <= 10)) {
                throw new \ValueError("\$growth must be from 1 to 10, $growth given");
            }
            $percent = (int) ($growth * 100 + 0.5);
            \redislock_lock_set_spin_growth($handle, $percent, Check::timeout('maxInterval', $maxInterval));
        }
        return new Lock($this, $handle, $name, $owner, (new Terms())->with($wait, $ttl, $renew));
    }

    private function newLock(int $kind, string $name, ?string $owner, #[\SensitiveParameter] ?string $token): object
    {
        [$status, $handle] = \redislock_lock_new($this->handle, $kind, Check::name($name));
        $this->check($status);
        if ($owner !== null) {
            $status = \redislock_lock_set_owner($handle, $owner);
            Check::accepted($status, 'owner', 'up to 255 bytes without control characters');
        }
        if ($token !== null) {
            Check::accepted(\redislock_lock_set_token($handle, Check::token($token)), 'token', Check::TOKEN);
        }
        return $handle;
    }

    /**
     * Connects now, if it isn't, so that a wrong address or password is known early.
     *
     * @throws Exception
     */
    public function connect(): void
    {
        $this->check(\redislock_client_connect($this->handle));
    }

    /**
     * Asks the server for a sign of life.
     *
     * @throws Exception
     */
    public function ping(): void
    {
        $this->check(\redislock_client_ping($this->handle));
    }

    /**
     * The credentials of the next connect; null for none. Open connections stay as they are.
     *
     * @throws \ValueError for a user without a password, or more than 4096 bytes
     */
    public function setCredentials(?string $user, #[\SensitiveParameter] ?string $password): void
    {
        $user = Check::text('user', $user);
        $status = \redislock_client_set_credentials($this->handle, $user, Check::text('password', $password));
        if ($status === \REDISLOCK_INVALID_ARGUMENT) {
            throw new \ValueError('$user and $password must have up to 4096 bytes, and no user goes without a password');
        }
        $this->check($status);
    }

    /**
     * Who holds a name, and how many wait for it.
     *
     * @throws Exception
     */
    public function status(string $name): Status
    {
        [$status, $info] = \redislock_info_get($this->handle, Check::name($name));
        $this->check($status);
        $remaining = \redislock_info_remaining_ms($info);
        $token = \redislock_info_token($info);
        $owner = \redislock_info_owner($info);
        return new Status(
            $name,
            \redislock_info_locked($info) === 1,
            $token !== '' ? $token : null,
            $owner !== '' ? $owner : null,
            $remaining === \REDISLOCK_NO_EXPIRY ? INF : $remaining / 1000,
            \redislock_info_waiters($info),
            \redislock_info_fence($info),
        );
    }

    /**
     * Walks over the names that redislock has locked. What is locked throughout the walk is found, at least once.
     *
     * @param ?string $pattern one of the shell, as in "job-*"
     *
     * @return \Generator<int, string>
     *
     * @throws Exception also on the way
     */
    public function list(?string $pattern = null): \Generator
    {
        [$status, $list] = \redislock_list_new($this->handle, Check::text('pattern', $pattern));
        if ($status === \REDISLOCK_INVALID_ARGUMENT) {
            throw new \ValueError('$pattern must have up to 4096 bytes');
        }
        $this->check($status);
        return $this->walk($list);
    }

    private function walk(object $list): \Generator
    {
        while (true) {
            [$status, $name] = \redislock_list_next($list);
            if ($status === \REDISLOCK_END) {
                return;
            }
            $this->check($status);
            yield $name;
        }
    }

    /**
     * Releases a lock by force, whoever holds it: an operator's tool. The holder learns it at its next renewal.
     *
     * @param ?string $token only if this one still holds it
     *
     * @return bool whether there was anything to break
     *
     * @throws Exception
     */
    public function break(string $name, #[\SensitiveParameter] ?string $token = null): bool
    {
        $status = \redislock_client_break($this->handle, Check::name($name), Check::token($token));
        if ($status === \REDISLOCK_INVALID_ARGUMENT) {
            throw new \ValueError('$token must be ' . Check::TOKEN);
        }
        if ($status === \REDISLOCK_NOT_LOCKED) {
            return false;
        }
        $this->check($status);
        return true;
    }

    /**
     * A stream that is readable when a lease under renewal could not be kept, for stream_select(); reading 8 bytes re-arms
     * it. In the command line's PHP only, which alone opens descriptors.
     *
     * @return resource
     *
     * @throws Exception
     */
    public function lostStream()
    {
        $fd = \redislock_client_lost_fd($this->handle);
        if ($fd < 0) {
            $this->check($fd);
        }
        $stream = @fopen("php://fd/$fd", 'r');
        if ($stream === false) {
            throw new UnsupportedException('this PHP opens no descriptors: only that of the command line does');
        }
        stream_set_blocking($stream, false);
        stream_set_read_buffer($stream, 0);
        return $stream;
    }

    private function check(int $status): void
    {
        if ($status !== \REDISLOCK_OK) {
            throw Failure::ofClient($status, $this->handle);
        }
    }

    /** There is one of each. */
    private function __clone()
    {
    }

    public function __serialize(): array
    {
        throw new \LogicException('a client is of its process: it can\'t be serialized');
    }

    public function __debugInfo(): array
    {
        return [];
    }
}
