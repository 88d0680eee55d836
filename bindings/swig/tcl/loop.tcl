# SPDX-License-Identifier: MIT
#
# Clients of the event loop. What is started has a tag; its outcome, when it has come, goes to a command, or to the
# coroutine that waits for it. All of that is kept here and not in objects: they may be destroyed meanwhile. Objects are
# known by their namespaces: commands may be renamed.

namespace eval ::redislock {
    variable tags 0

    # By tag: the client and its handle, the lock and its handle (or empty), and the command for the outcome.
    variable started
    array set started {}

    # By lock: the tag of what was started last. It does one thing at a time.
    variable latest
    array set latest {}

    # By tag of its acquire: the lock that may be lost; and by lock that tag.
    variable holds
    array set holds {}
    variable holding
    array set holding {}
}

# Starts what the words do when a tag is added, and returns the snapshot that came of it, if any; with a command at once,
# with nothing.
proc ::redislock::Start {client clienthandle lock lockhandle words command} {
    variable tags
    variable started
    variable latest
    variable holds
    variable holding
    set coroutine [info coroutine]
    if {$command eq "" && $coroutine eq ""} {
        Throw WRONG_MODE "a client with -async 1 needs a -command, or a coroutine to wait in"
    }
    set tag [incr tags]
    Check [{*}$words $tag] [Asking $clienthandle $lockhandle]
    if {$lock ne ""} {
        set latest($lock) $tag
    }
    if {[lindex $words 0] eq "raw::lock_start_acquire"} {
        Forget $lock
        set holds($tag) $lock
        set holding($lock) $tag
    }
    if {$command ne ""} {
        set started($tag) [list $client $clienthandle $lock $lockhandle [list ::redislock::Tell $command]]
        return
    }
    set started($tag) [list $client $clienthandle $lock $lockhandle [list ::redislock::Wake $coroutine $tag]]
    return [Wait $coroutine $tag]
}

proc ::redislock::Asking {clienthandle lockhandle} {
    if {$lockhandle ne ""} {
        return [list raw::lock_error $lockhandle]
    }
    return [list raw::client_error $clienthandle]
}

# ---- coroutines ----

proc ::redislock::Wait {coroutine tag} {
    variable outcomes
    set abandon [list ::redislock::Abandon $tag]
    trace add command $coroutine delete $abandon
    # Others may resume it, too.
    while {![info exists outcomes($tag)]} {
        yield
    }
    trace remove command $coroutine delete $abandon
    lassign $outcomes($tag) code message info
    unset outcomes($tag)
    if {$code ne "OK"} {
        Throw $code $message
    }
    return $info
}

proc ::redislock::Wake {coroutine tag code message info} {
    variable outcomes
    # It may be deleted while its turn is near.
    if {[llength [info commands $coroutine]]} {
        set outcomes($tag) [list $code $message $info]
        $coroutine
    }
}

# The coroutine is deleted: what it waited for is undone, whatever has become of it.
proc ::redislock::Abandon {tag args} {
    variable started
    if {[info exists started($tag)]} {
        set lock [lindex $started($tag) 2]
        unset started($tag)
        if {$lock ne ""} {
            ${lock}::my Reset
        }
    }
}

# ---- outcomes ----

proc ::redislock::Tell {command code message info} {
    set words [list {*}$command $code $message]
    if {$info ne ""} {
        lappend words $info
    }
    uplevel #0 $words
}

# Errors in what is called here are background errors, and end nothing else.
proc ::redislock::Call words {
    if {[catch {uplevel #0 $words} message options]} {
        after 0 [list return -level 0 -code error -errorcode [dict get $options -errorcode] \
            -errorinfo [dict get $options -errorinfo] $message]
    }
}

proc ::redislock::Dispatch {client clienthandle} {
    # It may be destroyed by what is called.
    if {[raw::client_dispatch $clienthandle] != 0} {
        return
    }
    while {[namespace exists $client]} {
        lassign [raw::client_next_event $clienthandle] status type outcome tag info
        if {$status != 0} {
            return
        }
        Event $type $outcome $tag $info
    }
}

proc ::redislock::Event {type outcome tag info} {
    variable started
    variable holds
    if {$type == $raw::EVENT_LOST} {
        if {[info exists holds($tag)]} {
            $holds($tag)::my Lost
        }
        return
    }
    if {![info exists started($tag)]} {
        # Nobody waits for it any more.
        if {$info ne ""} {
            raw::drop $info
        }
        return
    }
    lassign $started($tag) client clienthandle lock lockhandle command
    unset started($tag)
    if {$type == $raw::EVENT_CANCELLED} {
        lassign {CANCELLED "the wait was given up"} code message
    } elseif {$outcome != 0} {
        set code [raw::error_name $outcome]
        set message [Message $outcome [Asking $clienthandle $lockhandle]]
    } else {
        lassign {OK ""} code message
    }
    set answer ""
    if {$info ne ""} {
        set answer [${client}::my Answer $info]
    }
    Call [list {*}$command $code $message $answer]
}

# ---- locks and clients that end ----

# No loss of a former hold is the lock's any more.
proc ::redislock::Forget lock {
    variable holds
    variable holding
    if {[info exists holding($lock)]} {
        unset -nocomplain holds($holding($lock))
        unset holding($lock)
    }
}

proc ::redislock::LockEnds {lock message} {
    variable latest
    Forget $lock
    if {[info exists latest($lock)]} {
        GiveUp $latest($lock) $message
        unset latest($lock)
    }
}

proc ::redislock::ClientEnds {client message} {
    variable started
    foreach tag [lsort -integer [array names started]] {
        if {[lindex $started($tag) 0] eq $client} {
            GiveUp $tag $message
        }
    }
}

# Who waits for it waits in vain. He is told soon: this is part of the end of an object.
proc ::redislock::GiveUp {tag message} {
    variable started
    if {[info exists started($tag)]} {
        after 0 [list ::redislock::Call [list {*}[lindex $started($tag) 4] CANCELLED $message ""]]
        unset started($tag)
    }
}
