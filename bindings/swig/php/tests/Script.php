<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock\Tests;

/** A PHP script in a process of its own, with $client made and what it says to be read line by line. */
final class Script
{
    private const PATIENCE_S = 120;

    public readonly int $pid;

    /** @var resource */
    private $process;

    /** @var array<int, resource> */
    private array $pipes = [];

    private ?int $status = null;

    public function __construct(string $url, string $body)
    {
        $code = 'require ' . var_export(dirname(__DIR__) . '/autoload.php', true) . ';'
            . '$url = ' . var_export($url, true) . '; $client = new RedisLock\Client($url);'
            . 'function say(...$what) { echo implode(" ", $what), "\n"; }' . $body;
        // As this very PHP was started: see the script "run".
        $command = [...explode(' ', (string) getenv('REDISLOCK_PHP')), '-d', 'display_errors=stderr', '-r', $code];
        $this->process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], ['pipe', 'w']], $this->pipes);
        $this->pid = proc_get_status($this->process)['pid'];
    }

    public function __destruct()
    {
        if ($this->status === null) {
            posix_kill($this->pid, SIGKILL);
            proc_close($this->process);
        }
    }

    /** The next line that it says; "" once it says no more. */
    public function line(): string
    {
        $readable = [$this->pipes[1]];
        $none = [];
        if (stream_select($readable, $none, $none, self::PATIENCE_S) !== 1) {
            throw new \Exception('the script says nothing');
        }
        return rtrim((string) fgets($this->pipes[1]), "\n");
    }

    public function tell(string $line): void
    {
        fwrite($this->pipes[0], "$line\n");
    }

    public function signal(int $signal): void
    {
        posix_kill($this->pid, $signal);
    }

    /** Waits for its end; its exit status, or minus the signal that ended it. */
    public function end(): int
    {
        if ($this->status === null) {
            Eventually::true('the script ends', function (): bool {
                $state = proc_get_status($this->process);
                if ($state['running']) {
                    return false;
                }
                $this->status = $state['signaled'] ? -$state['termsig'] : $state['exitcode'];
                return true;
            });
        }
        return $this->status;
    }

    public function errors(): string
    {
        return (string) stream_get_contents($this->pipes[2]);
    }
}
