<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

/** A server of the test's own, on a unix socket in a folder of its own. */
final class Server
{
    public readonly string $folder;
    public readonly string $socket;
    public readonly string $url;

    /** @var list<string> */
    private array $arguments;

    /** @var ?resource */
    private $process = null;

    /** @var ?resource */
    private $connection = null;

    private int $owner;

    public function __construct(string ...$arguments)
    {
        $this->owner = getmypid();
        $this->arguments = $arguments;
        $this->folder = sys_get_temp_dir() . '/redislock-php-' . bin2hex(random_bytes(8));
        mkdir($this->folder, 0700);
        $this->socket = "$this->folder/socket";
        $this->url = "unix://$this->socket";
        $this->start();
    }

    public function __destruct()
    {
        if ($this->owner === getmypid()) {
            $this->kill();
            array_map('unlink', glob("$this->folder/*") ?: []);
            rmdir($this->folder);
        }
    }

    public static function program(): ?string
    {
        if (getenv('REDIS_SERVER')) {
            return getenv('REDIS_SERVER');
        }
        foreach (explode(':', getenv('PATH') ?: '') as $folder) {
            foreach (['redis-server', 'valkey-server'] as $name) {
                if (is_executable("$folder/$name")) {
                    return "$folder/$name";
                }
            }
        }
        return null;
    }

    public function start(): void
    {
        $log = ['file', "$this->folder/log", 'a'];
        // It ends with this process, however that ends.
        $this->process = proc_open(['setpriv', '--pdeathsig', 'KILL', self::program(), '--port', '0', '--unixsocket',
            $this->socket, '--save', '', '--dir', $this->folder, ...$this->arguments], [['file', '/dev/null', 'r'], $log, $log], $pipes);
        Eventually::true('the server listens', fn () => @stream_socket_client($this->url) !== false
            || (!proc_get_status($this->process)['running']
                && throw new \Exception('the server ended: ' . file_get_contents("$this->folder/log"))));
    }

    public function pid(): int
    {
        return proc_get_status($this->process)['pid'];
    }

    public function kill(): void
    {
        if ($this->process !== null) {
            posix_kill($this->pid(), SIGKILL);
            proc_close($this->process);
            $this->process = null;
            $this->connection = null;
            @unlink($this->socket);
        }
    }

    /** Sends a command, and returns its answer: lists as arrays, errors thrown. */
    public function command(string ...$words): mixed
    {
        $this->connection ??= stream_socket_client($this->url);
        $command = '*' . count($words) . "\r\n";
        foreach ($words as $word) {
            $command .= '$' . strlen($word) . "\r\n$word\r\n";
        }
        fwrite($this->connection, $command);
        return $this->answer();
    }

    private function answer(): mixed
    {
        $line = substr((string) fgets($this->connection), 0, -2);
        $rest = substr($line, 1);
        switch ($line[0] ?? '') {
            case '+':
                return $rest;
            case '-':
                throw new \Exception($rest);
            case ':':
                return (int) $rest;
            case '$':
                return $rest === '-1' ? null : substr(stream_get_contents($this->connection, (int) $rest + 2), 0, -2);
            case '*':
                return array_map(fn () => $this->answer(), (int) $rest > 0 ? range(1, (int) $rest) : []);
            default:
                throw new \Exception("the server answered '$line'");
        }
    }

    public function waiting(string $name): int
    {
        return $this->command('ZCARD', "rlock-queue:{{$name}}:$name");
    }
}
