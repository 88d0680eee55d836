# SPDX-License-Identifier: MIT
#
# The lock: a command, and a subcommand for each thing that it does. Destroyed, in whatever way, it is released.

oo::class create ::redislock::Lock {
    variable client clienthandle handle kind name owner async encoding settings terms known fence lostcommand

    constructor {itsclient itsclienthandle itskind itsname isasync itsencoding options} {
        namespace path [list {*}[namespace path] ::redislock]
        set client $itsclient
        set clienthandle $itsclienthandle
        set kind $itskind
        set name $itsname
        set async $isasync
        set encoding $itsencoding
        set settings {}
        set fence 0
        set owner ""
        set lostcommand ""
        my Open
        set terms [my Terms $known $options]
        foreach {option setter} {-owner Owner -token Token -interval Interval -lostcommand LostCommand} {
            if {[dict exists $options $option]} {
                my $setter [dict get $options $option]
            }
        }
        my Growth $options
    }

    method Open {} {
        lassign [raw::lock_new $clienthandle $kind [Name $encoding $name]] status handle
        Check $status [list raw::client_error $clienthandle]
        foreach setting $settings {
            raw::[lindex $setting 0] $handle {*}[lrange $setting 1 end]
        }
        # As the handle knows them. renew is empty where nobody said: renewed, as there is no TTL of the caller's.
        set known {wait 60000 ttl 30000 renew ""}
    }

    # Gives up the handle at whatever stage: a held lock is released, a waiting one leaves the queue.
    method Reset {} {
        set fence [my fence]
        raw::drop $handle
        my Open
    }

    # What every handle of this lock is told.
    method Set args {
        set status [raw::[lindex $args 0] $handle {*}[lrange $args 1 end]]
        if {$status == 0} {
            lappend settings $args
        }
        return $status
    }

    destructor {
        ::redislock::LockEnds [self namespace] "the lock was destroyed"
        catch {::redislock::raw::drop $handle}
    }

    # ---- options ----

    method Terms {terms options} {
        if {[dict exists $options -wait]} {
            dict set terms wait [WaitMs [dict get $options -wait]]
        }
        if {[dict exists $options -ttl]} {
            dict set terms ttl [TtlMs -ttl [dict get $options -ttl]]
            if {[dict get $terms renew] eq ""} {
                dict set terms renew 0
            }
        }
        if {[dict exists $options -renew]} {
            dict set terms renew [Boolean -renew [dict get $options -renew]]
        }
        return $terms
    }

    method Owner text {
        set bytes [Bytes -owner $encoding $text]
        if {$bytes ne "" && [my Set lock_set_owner $bytes] != 0} {
            Refuse -owner "expected up to 255 bytes without control characters for -owner"
        }
        set owner $text
    }

    method Token token {
        my Check [my Set lock_set_token [Token $token]]
    }

    method Interval seconds {
        my Check [my Set lock_set_spin_interval_ms [TimeoutMs -interval $seconds]]
    }

    method LostCommand prefix {
        if {!$async} {
            Refuse -lostcommand "-lostcommand is for locks of a client with -async 1; others have \"client lostchannel\""
        }
        set lostcommand $prefix
    }

    method Growth options {
        if {[dict exists $options -growth] != [dict exists $options -maxinterval]} {
            Refuse -growth "-growth and -maxinterval: both or none expected"
        }
        if {[dict exists $options -growth]} {
            set growth [dict get $options -growth]
            if {![string is double -strict $growth] || [string match -nocase *nan* $growth] || $growth < 1 || $growth > 10} {
                Refuse -growth "expected a number from 1 to 10 for -growth but got \"$growth\""
            }
            set most [TimeoutMs -maxinterval [dict get $options -maxinterval]]
            my Check [my Set lock_set_spin_growth [expr {int($growth * 100 + 0.5)}] $most]
        }
    }

    # Tells the handle what it doesn't know yet.
    method Agree terms {
        if {[dict get $terms wait] != [dict get $known wait]} {
            my Check [raw::lock_set_wait_ms $handle [dict get $terms wait]]
        }
        if {[dict get $terms ttl] != [dict get $known ttl] || [dict get $terms renew] ne [dict get $known renew]} {
            my Check [raw::lock_set_ttl_ms $handle [dict get $terms ttl]]
            my Check [raw::lock_set_renewal $handle [expr {[dict get $terms renew] ne "0"}]]
        }
        set known $terms
    }

    # ---- taking and giving back ----

    # acquire ?-wait seconds? ?-ttl seconds? ?-renew boolean? ?-command prefix?: takes the lock; the options count for this
    # call only. Returns the lock.
    method acquire args {
        set options [Options $args {-wait -ttl -renew -command}]
        my Agree [my Terms $terms $options]
        if {$async} {
            set self [self]
            my Start [list raw::lock_start_acquire $handle] $options
            return $self
        }
        my Blocking $options
        my Check [raw::lock_acquire $handle]
        return [self]
    }

    # try ?-ttl seconds? ?-renew boolean?: takes the lock if nobody else holds it; whether it is held now.
    method try args {
        set options [Options $args {-ttl -renew}]
        try {
            my acquire -wait 0 {*}$options
        } trap {REDISLOCK NOT_ACQUIRED} {} {
            return 0
        }
        return 1
    }

    # release ?-command prefix?: hands it to the first waiter.
    method release args {
        set options [Options $args -command]
        if {$async} {
            my Start [list raw::lock_start_release $handle] $options
        } else {
            my Blocking $options
            my Check [raw::lock_release $handle]
        }
        return
    }

    # extend ?seconds? ?-command prefix?: sets the lease to a TTL from now on, or to that of the last acquire.
    method extend args {
        set ttl [dict get $known ttl]
        if {[llength $args] % 2} {
            set args [lassign $args seconds]
            set ttl [TtlMs seconds $seconds]
        }
        set options [Options $args -command]
        if {$async} {
            my Start [list raw::lock_start_extend $handle $ttl] $options
        } else {
            my Blocking $options
            my Check [raw::lock_extend $handle $ttl]
        }
        return
    }

    # cancel: gives up an acquire of an asynchronous client that waits; whether there was one.
    method cancel {} {
        if {!$async} {
            Throw WRONG_MODE "a blocking lock has no wait to give up"
        }
        set status [raw::lock_cancel $handle]
        if {$status == $::redislock::raw::END} {
            return 0
        }
        my Check $status
        return 1
    }

    # with ?-wait seconds? ?-ttl seconds? ?-renew boolean? body: runs the body with the lock held. Whatever the body ends
    # with is what this ends with; only if that is no error, a release that fails is one.
    method with args {
        if {[llength $args] % 2 == 0} {
            throw {TCL WRONGARGS} "wrong # args: should be \"lock with ?-option value ...? body\""
        }
        my acquire {*}[Options [lrange $args 0 end-1] {-wait -ttl -renew}]
        set self [self namespace]
        # A frame may go without its end being run: when a coroutine is deleted, or a script cancelled.
        set place [Enter $self]
        set unwound [list ::redislock::Unwound $self $place $async]
        trace add variable place unset $unwound
        raw::guard place $handle
        set code [catch {uplevel 1 [lindex $args end]} result options]
        raw::guard place
        trace remove variable place unset $unwound
        Leave $place
        # A body may have released or destroyed it.
        if {[namespace exists $self] && [catch {${self}::my release} message failure] && $code != 1 &&
                [lindex [dict get $failure -errorcode] 1] ni {NOT_OWNED FORKED}} {
            return -options $failure $message
        }
        dict incr options -level
        return -options $options $result
    }

    method Start {words options} {
        return [Start $client $clienthandle [self namespace] $handle $words [Get $options -command]]
    }

    method Blocking options {
        if {[dict exists $options -command]} {
            Refuse -command "-command is for a client with -async 1"
        }
    }

    method Check status {
        Check $status [list raw::lock_error $handle]
    }

    method Lost {} {
        if {$lostcommand ne ""} {
            Call [list {*}$lostcommand [self]]
        }
    }

    # ---- what it says of itself; nothing is sent ----

    # Whether it is held still, by this process's own clock.
    method held {} {
        return [raw::lock_is_held $handle]
    }

    # How long it is sure to be held, if nothing renews it: seconds, Inf without an end, 0.0 when it isn't.
    method remaining {} {
        return [Seconds [raw::lock_remaining_ms $handle]]
    }

    # The fencing token of the present or last hold: it rises with every grant of this name. 0 before the first.
    method fence {} {
        return [expr {max([raw::lock_fence $handle], $fence)}]
    }

    # What tells this hold from others; empty before the first.
    method token {} {
        return [lindex [raw::lock_token $handle] 1]
    }

    # The channel where releases are announced to others than redislock.
    method channel {} {
        return [encoding convertfrom $encoding [lindex [raw::lock_channel $handle] 0]]
    }

    # How many wait before it in the queue, as last heard; empty when it doesn't wait there.
    method place {} {
        set place [raw::lock_place $handle]
        if {$place < 0} {
            return
        }
        return $place
    }

    method Self {} {
        return [self]
    }

    method name {} {
        return $name
    }

    method owner {} {
        return $owner
    }

    method client {} {
        return [${client}::my Self]
    }
}

# ---- bodies ----

proc ::redislock::Enter lock {
    variable bodies
    lappend bodies([info coroutine]) $lock
    return [info coroutine]
}

proc ::redislock::Leave coroutine {
    variable bodies
    set bodies($coroutine) [lrange $bodies($coroutine) 0 end-1]
    if {![llength $bodies($coroutine)]} {
        unset bodies($coroutine)
    }
}

# Its coroutine was deleted, in the middle of whatever it did with the lock. A blocking one is the guard's to release.
proc ::redislock::Unwound {lock coroutine async args} {
    Leave $coroutine
    if {$async} {
        ${lock}::my Reset
    }
}
