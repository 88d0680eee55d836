# SPDX-License-Identifier: MIT
#
# Options and other arguments: what is wrong is refused by name, before anything is sent. And what the library's statuses
# are in Tcl.

namespace eval ::redislock {
    variable longest_ms 9007199254740991
    variable longest_timeout_ms 2147483647
}

proc ::redislock::Refuse {option message} {
    throw [list REDISLOCK INVALID_ARGUMENT $option] $message
}

# The options among words, as a dictionary.
proc ::redislock::Options {words names} {
    set options {}
    foreach {option value} $words {
        if {$option ni $names} {
            if {[llength $names] > 1} {
                set last ", or [lindex $names end]"
            } else {
                set last [lindex $names 0]
            }
            Refuse $option "bad option \"$option\": must be [join [lrange $names 0 end-1] {, }]$last"
        }
        dict set options $option $value
    }
    if {[llength $words] % 2} {
        Refuse $option "value for \"$option\" missing"
    }
    return $options
}

# The value of an option, or what there is without it. Not by expr, which takes 0x10 for a number.
proc ::redislock::Get {options option {default ""}} {
    if {[dict exists $options $option]} {
        return [dict get $options $option]
    }
    return $default
}

# Seconds as milliseconds; Inf, where that is allowed, as -1.
proc ::redislock::Milliseconds {option seconds least most endless} {
    if {[string is double -strict $seconds] && ![string match -nocase *nan* $seconds]} {
        if {$endless && $seconds == Inf} {
            return -1
        }
        if {$seconds >= 0 && $seconds <= $most / 1000.0} {
            set milliseconds [expr {entier($seconds * 1000 + 0.5)}]
            if {$milliseconds == 0 && $seconds > 0} {
                set milliseconds 1
            }
            if {$milliseconds >= $least && $milliseconds <= $most} {
                return $milliseconds
            }
        }
    }
    Refuse $option "expected seconds from [expr {$least ? {0.001} : {0}}] to [expr {$most / 1000}][expr {$endless ?
        { or Inf} : {}}] for $option but got \"$seconds\""
}

proc ::redislock::WaitMs seconds {
    variable longest_ms
    return [Milliseconds -wait $seconds 0 $longest_ms 1]
}

proc ::redislock::TtlMs {option seconds} {
    variable longest_ms
    return [Milliseconds $option $seconds 1 $longest_ms 1]
}

proc ::redislock::TimeoutMs {option seconds} {
    variable longest_timeout_ms
    return [Milliseconds $option $seconds 1 $longest_timeout_ms 0]
}

proc ::redislock::Seconds milliseconds {
    return [expr {$milliseconds == -1 ? Inf : $milliseconds / 1000.0}]
}

proc ::redislock::Boolean {option value} {
    if {![string is boolean -strict $value]} {
        Refuse $option "expected boolean value for $option but got \"$value\""
    }
    return [expr {bool($value)}]
}

# A text that C ends at its first NUL.
proc ::redislock::Text {what text} {
    if {[string first \0 $text] >= 0} {
        Refuse $what "$what must not have a NUL in it"
    }
    return [encoding convertto utf-8 $text]
}

# The bytes of a text in an encoding that must have all its characters.
proc ::redislock::Bytes {what encoding text} {
    set bytes [encoding convertto $encoding $text]
    if {[encoding convertfrom $encoding $bytes] ne $text} {
        Refuse $what "$what has characters that $encoding hasn't"
    }
    return $bytes
}

proc ::redislock::Name {encoding name} {
    set bytes [Bytes name $encoding $name]
    set length [string length $bytes]
    if {$length < 1 || $length > 32768} {
        Refuse name "a name must have 1 to 32768 bytes, this one has $length"
    }
    foreach prefix {rlock-queue: rlock-state:} {
        if {[string equal -length [string length $prefix] $prefix $bytes]} {
            Refuse name "a name must not begin with $prefix, which is for keys of redislock's own"
        }
    }
    return $bytes
}

proc ::redislock::Token token {
    if {![regexp {^[!-~]{1,128}$} $token] || [string match *\n* $token]} {
        Refuse -token "expected 1 to 128 printable ASCII characters without spaces for -token"
    }
    return $token
}

# ---- failures ----

# The message of a status; ask says what a handle's text is.
proc ::redislock::Message {status ask} {
    # These are found out here, so the handle's text is about something earlier.
    if {$status < 0 && [raw::error_name $status] ni {INVALID_ARGUMENT NO_MEMORY FORKED IN_USE WRONG_MODE}} {
        set message [encoding convertfrom utf-8 [lindex [{*}$ask] 1]]
        if {$message ne ""} {
            return $message
        }
    }
    if {[raw::error_name $status] eq "WRONG_MODE"} {
        return "this call is for another kind of client: -command and coroutines are for one with -async 1, and blocking\
            calls for one without"
    }
    return [raw::strerror $status]
}

proc ::redislock::Throw {code message} {
    throw [list REDISLOCK $code] $message
}

proc ::redislock::Check {status ask} {
    if {$status != 0} {
        Throw [raw::error_name $status] [Message $status $ask]
    }
}
