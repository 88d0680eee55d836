# frozen_string_literal: true

# SPDX-License-Identifier: MIT

module RedisLock
  # The parent of all that goes wrong. Misuse is told by Ruby's own ArgumentError and TypeError.
  class Error < StandardError; end

  # Somebody else held the lock until the wait ended.
  class NotAcquiredError < Error; end

  # This object doesn't hold the lock.
  class NotOwnedError < Error; end

  # This object held the lock, which ended before it was released.
  class LostError < NotOwnedError; end

  # This object holds the lock already, or is in another thread's hands; or its token is used by another one.
  class InUseError < Error; end

  # The client was made before a fork, in the parent process.
  class ForkedError < Error; end

  # This build, or this server, can't do that.
  class UnsupportedError < Error; end

  # Out of memory, descriptors or threads.
  class ResourceError < Error; end

  # A bug of redislock: please report it.
  class InternalError < Error; end

  # The parent of what is wrong with the connection.
  class ConnectionError < Error; end

  # No connection could be made.
  class CannotConnectError < ConnectionError; end

  # TLS: the server's certificate can't be trusted.
  class UntrustedError < ConnectionError; end

  # The connection broke and could not be restored in time.
  class ConnectionLostError < ConnectionError; end

  # The server didn't answer in time.
  class TimeoutError < ConnectionError; end

  # The peer doesn't talk like a Redis server.
  class ProtocolError < ConnectionError; end

  # The server answered with an error, which the message repeats.
  class ServerError < Error; end

  # The server wants other credentials.
  class AuthenticationError < ServerError; end

  # The server's access rules forbid it.
  class PermissionError < ServerError; end

  # The server is a read-only replica.
  class ReadOnlyError < ServerError; end

  # Too few replicas took part.
  class NotEnoughReplicasError < ServerError; end

  # A key of that name exists and is no lock; it was left alone.
  class WrongTypeError < ServerError; end

  # Makes exceptions of statuses.
  module Failure # :nodoc:
    CLASSES = {
      Native::NOT_ACQUIRED => NotAcquiredError,
      Native::INVALID_ARGUMENT => ArgumentError,
      Native::NO_MEMORY => ResourceError,
      Native::NOT_OWNED => NotOwnedError,
      Native::LOST => LostError,
      Native::TIMEOUT => TimeoutError,
      Native::CONNECTION_REFUSED => CannotConnectError,
      Native::CONNECTION_LOST => ConnectionLostError,
      Native::PROTOCOL => ProtocolError,
      Native::SERVER => ServerError,
      Native::AUTHENTICATION => AuthenticationError,
      Native::PERMISSION => PermissionError,
      Native::READ_ONLY => ReadOnlyError,
      Native::NOT_ENOUGH_REPLICAS => NotEnoughReplicasError,
      Native::FORKED => ForkedError,
      Native::UNSUPPORTED => UnsupportedError,
      Native::IN_USE => InUseError,
      Native::WRONG_TYPE => WrongTypeError,
      Native::UNTRUSTED => UntrustedError
    }.freeze

    # What never came from the server: a handle's text is about something earlier.
    TEXTLESS = [Native::NOT_ACQUIRED, Native::INVALID_ARGUMENT, Native::NO_MEMORY, Native::FORKED,
                Native::IN_USE].freeze

    module_function

    # Raises what stands for a status. The block gives the handle's text.
    def raise_for(status, about = nil)
      text = TEXTLESS.include?(status) ? "" : yield
      text = text.empty? ? Native.strerror(status) : Text.decode(text)
      raise CLASSES.fetch(status, InternalError), about ? "#{about}: #{text}" : text
    end
  end
  private_constant :Failure
end
