<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock;

/**
 * Arguments that PHP's types don't tell apart: what is wrong is refused by name.
 *
 * @internal
 */
final class Check
{
    public const TOKEN = '1 to 128 printable ASCII characters without spaces';

    private const LONGEST_MS = (1 << 53) - 1;
    private const LONGEST_TIMEOUT_MS = (1 << 31) - 1;

    /** How long to wait, in milliseconds. */
    public static function wait(float $seconds): int
    {
        return $seconds === INF ? \REDISLOCK_FOREVER : self::milliseconds('wait', $seconds, 0, self::LONGEST_MS, ', or INF');
    }

    /** How long a lease lasts, in milliseconds. */
    public static function ttl(float $seconds): int
    {
        return $seconds === INF ? \REDISLOCK_NO_EXPIRY : self::milliseconds('ttl', $seconds, 1, self::LONGEST_MS, ', or INF');
    }

    /** A duration that has an end, in milliseconds. */
    public static function timeout(string $option, float $seconds): int
    {
        return self::milliseconds($option, $seconds, 1, self::LONGEST_TIMEOUT_MS, '');
    }

    private static function milliseconds(string $option, float $seconds, int $least, int $most, string $or): int
    {
        // Not a number is neither.
        if ($seconds >= 0 && $seconds <= $most / 1000) {
            $milliseconds = (int) ($seconds * 1000 + 0.5);
            $milliseconds = $milliseconds === 0 && $seconds > 0 ? 1 : $milliseconds;
            if ($milliseconds >= $least && $milliseconds <= $most) {
                return $milliseconds;
            }
        }
        throw new \ValueError(sprintf('$%s must be seconds from %s to %d%s, %s given', $option, $least > 0 ? '0.001' : '0',
            intdiv($most, 1000), $or, $seconds));
    }

    public static function name(string $name): string
    {
        if ($name === '' || strlen($name) > 32768) {
            throw new \ValueError('$name must have 1 to 32768 bytes, ' . strlen($name) . ' given');
        }
        foreach (['rlock-queue:', 'rlock-state:'] as $prefix) {
            if (str_starts_with($name, $prefix)) {
                throw new \ValueError("\$name must not begin with \"$prefix\", which is for keys of redislock's own");
            }
        }
        return $name;
    }

    /** A text that C ends at its first NUL. */
    public static function text(string $option, #[\SensitiveParameter] ?string $text): ?string
    {
        if ($text !== null && str_contains($text, "\0")) {
            throw new \ValueError("\$$option must not contain any null bytes");
        }
        return $text;
    }

    /** To the library an empty token is none. */
    public static function token(#[\SensitiveParameter] ?string $token): ?string
    {
        if ($token === '') {
            throw new \ValueError('$token must be ' . self::TOKEN);
        }
        return $token;
    }

    /** The status of a setter, whose refusal is about an option. */
    public static function accepted(int $status, string $option, string $expected): void
    {
        if ($status === \REDISLOCK_INVALID_ARGUMENT) {
            throw new \ValueError("\$$option must be $expected");
        }
        if ($status !== \REDISLOCK_OK) {
            throw Failure::of($status);
        }
    }
}
