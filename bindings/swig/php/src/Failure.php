<?php
// SPDX-License-Identifier: MIT

declare(strict_types=1);

namespace RedisLock;

/**
 * What the library's statuses are in PHP.
 *
 * @internal
 */
final class Failure
{
    private const CLASSES = [
        \REDISLOCK_NOT_ACQUIRED => NotAcquiredException::class,
        \REDISLOCK_INVALID_ARGUMENT => \ValueError::class,
        \REDISLOCK_NO_MEMORY => NoMemoryException::class,
        \REDISLOCK_NOT_OWNED => NotOwnedException::class,
        \REDISLOCK_LOST => LostException::class,
        \REDISLOCK_TIMEOUT => TimeoutException::class,
        \REDISLOCK_CONNECTION_REFUSED => ConnectionRefusedException::class,
        \REDISLOCK_CONNECTION_LOST => ConnectionLostException::class,
        \REDISLOCK_PROTOCOL => ProtocolException::class,
        \REDISLOCK_UNTRUSTED => UntrustedException::class,
        \REDISLOCK_SERVER => ServerException::class,
        \REDISLOCK_AUTHENTICATION => AuthenticationException::class,
        \REDISLOCK_PERMISSION => PermissionException::class,
        \REDISLOCK_READ_ONLY => ReadOnlyException::class,
        \REDISLOCK_NOT_ENOUGH_REPLICAS => NotEnoughReplicasException::class,
        \REDISLOCK_FORKED => ForkedException::class,
        \REDISLOCK_UNSUPPORTED => UnsupportedException::class,
        \REDISLOCK_IN_USE => InUseException::class,
        \REDISLOCK_WRONG_TYPE => WrongTypeException::class,
    ];

    /** These are found out here, so the handle's text is about something earlier. */
    private const WITHOUT_TEXT = [
        \REDISLOCK_INVALID_ARGUMENT,
        \REDISLOCK_NO_MEMORY,
        \REDISLOCK_FORKED,
        \REDISLOCK_IN_USE,
        \REDISLOCK_WRONG_MODE,
    ];

    public static function ofClient(int $status, object $handle): \Throwable
    {
        return self::of($status, self::hasText($status) ? \redislock_client_error($handle)[1] : '');
    }

    public static function ofLock(int $status, object $handle): \Throwable
    {
        return self::of($status, self::hasText($status) ? \redislock_lock_error($handle)[1] : '');
    }

    public static function of(int $status, string $text = ''): \Throwable
    {
        $class = self::CLASSES[$status] ?? InternalException::class;
        return new $class($text !== '' ? $text : \redislock_strerror($status));
    }

    private static function hasText(int $status): bool
    {
        return $status < 0 && !in_array($status, self::WITHOUT_TEXT, true);
    }
}
