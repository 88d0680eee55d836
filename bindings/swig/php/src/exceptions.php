<?php
// SPDX-License-Identifier: MIT

/**
 * All that can fail, except misuse: wrong arguments are a \TypeError, a \ValueError or, where there is no such option,
 * an \Error, as with PHP's own functions.
 */

declare(strict_types=1);

namespace RedisLock;

/** Anything that failed. */
class Exception extends \RuntimeException
{
}

/** Somebody else held the lock until the wait ended. */
final class NotAcquiredException extends Exception
{
}

/** This object doesn't hold the lock. */
final class NotOwnedException extends Exception
{
}

/** This object held the lock, which ended before it was released. */
final class LostException extends Exception
{
}

/** This object is held already, or its token is in use by another one. */
final class InUseException extends Exception
{
}

/** A key of that name exists and is no lock; it was left alone. */
final class WrongTypeException extends Exception
{
}

/** The object was made before a fork, in the parent process. */
final class ForkedException extends Exception
{
}

/** This build, or this server, can't do that. */
final class UnsupportedException extends Exception
{
}

/** Out of memory, descriptors or threads. */
final class NoMemoryException extends Exception
{
}

/** A bug of redislock: please report it. */
final class InternalException extends Exception
{
}

/** The server couldn't be reached, or not be understood. */
class ConnectionException extends Exception
{
}

/** No connection could be made. */
final class ConnectionRefusedException extends ConnectionException
{
}

/** The connection broke and could not be restored in time. */
final class ConnectionLostException extends ConnectionException
{
}

/** The server didn't answer in time. */
final class TimeoutException extends ConnectionException
{
}

/** TLS: the server's certificate can't be trusted. */
final class UntrustedException extends ConnectionException
{
}

/** The peer doesn't talk like a Redis server. */
final class ProtocolException extends ConnectionException
{
}

/** The server answered with an error, which the message repeats. */
class ServerException extends Exception
{
}

/** The server wants other credentials. */
final class AuthenticationException extends ServerException
{
}

/** The server's access rules forbid it. */
final class PermissionException extends ServerException
{
}

/** The server is a read-only replica. */
final class ReadOnlyException extends ServerException
{
}

/** Too few replicas took part. */
final class NotEnoughReplicasException extends ServerException
{
}
