# frozen_string_literal: true

# SPDX-License-Identifier: MIT

module RedisLock
  # Bytes of the library as strings of Ruby.
  module Text # :nodoc:
    LONGEST_SHOWN = 64

    module_function

    # UTF-8 where it is that, else binary.
    def decode(bytes)
      text = bytes.dup.force_encoding(Encoding::UTF_8)
      text.valid_encoding? ? text : text.force_encoding(Encoding::BINARY)
    end

    # A name for people.
    def show(name)
      shown = decode(name)
      shown.size > LONGEST_SHOWN ? "#{shown[0, LONGEST_SHOWN].inspect}..." : shown.inspect
    end
  end
  private_constant :Text

  # Checks arguments: a TypeError or ArgumentError names what is wrong.
  module Options # :nodoc:
    LONGEST_MS = (2**53) - 1
    WAIT = [0, LONGEST_MS, true].freeze
    TTL = [1, LONGEST_MS, true].freeze
    TIMEOUT = [1, (2**31) - 1, false].freeze
    FOREVER = -1
    NAME_BYTES = (1..32_768)
    OWN_KEYS = ["rlock-queue:".b, "rlock-state:".b].freeze

    module_function

    # Milliseconds of a number of seconds; nil for nil.
    def milliseconds(what, value, range)
      return nil if value.nil?

      least, most, endless = range
      seconds = real(what, value, "seconds")
      return FOREVER if endless && seconds == Float::INFINITY

      unless seconds >= 0 && seconds <= most / 1000.0
        refuse_seconds(what, value, range)
      end
      ms = (seconds * 1000).round
      ms = 1 if ms.zero? && seconds.positive?
      ms.between?(least, most) ? ms : refuse_seconds(what, value, range)
    end

    def refuse_seconds(what, value, range)
      least, most, endless = range
      raise ArgumentError, "#{what}: seconds from #{least.zero? ? 0 : 0.001} to #{most / 1000}" \
                           "#{' or Float::INFINITY' if endless} expected, got #{value}"
    end

    def number(what, value, least, most)
      return nil if value.nil?

      number = real(what, value, "a number")
      return number if number >= least && number <= most

      raise ArgumentError, "#{what}: a number from #{least} to #{most} expected, got #{value}"
    end

    def real(what, value, expected)
      unless value.is_a?(Numeric) && value.real?
        raise TypeError, "#{what}: #{expected} expected, got #{value.class}"
      end

      value.to_f
    end

    def boolean(what, value)
      return value if value.nil? || value == true || value == false

      raise TypeError, "#{what}: true or false expected, got #{value.class}"
    end

    # Bytes that nobody else can change while they are used; nil for nil.
    def bytes(what, value)
      return nil if value.nil?

      text = String.try_convert(value) or raise TypeError, "#{what}: a String expected, got #{value.class}"
      text.b.freeze
    end

    # Bytes for functions whose texts end at a NUL.
    def text(what, value)
      bytes = bytes(what, value)
      raise ArgumentError, "#{what}: a String without null bytes expected" if bytes&.include?("\0")

      bytes
    end

    def name(value)
      raise TypeError, "name: a String expected, got nil" if value.nil?

      name = bytes("name", value)
      unless NAME_BYTES.cover?(name.bytesize)
        raise ArgumentError, "name: 1 to 32768 bytes expected, got #{name.bytesize}"
      end
      raise ArgumentError, "name: it begins like redislock's own keys" if name.start_with?(*OWN_KEYS)

      name
    end
  end
  private_constant :Options
end
