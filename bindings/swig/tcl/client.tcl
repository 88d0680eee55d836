# SPDX-License-Identifier: MIT
#
# The client: a command, and a subcommand for each thing that it does.

oo::class create ::redislock::Client {
    # In a namespace of its own name its locks are, too, which end with it.
    self export createWithNamespace

    variable handle encoding async channel locks

    constructor {url words} {
        namespace path [list {*}[namespace path] ::redislock]
        set options [Options $words {-async -connecttimeout -commandtimeout -name -user -password -encoding}]
        set locks 0
        set async [Boolean -async [Get $options -async 0]]
        set encoding [Get $options -encoding utf-8]
        if {$encoding ni [encoding names]} {
            Refuse -encoding "unknown encoding \"$encoding\" for -encoding"
        }
        my Make [Text "the URL" $url]
        my Configure $options
    }

    method Make url {
        lassign [raw::[expr {$async ? {client_new_eventloop} : {client_new}}] $url] status handle
        if {$status != 0} {
            set message [encoding convertfrom utf-8 [lindex [raw::url_error $url] 1]]
            if {$message eq ""} {
                set message [raw::strerror $status]
            }
            Throw [raw::error_name $status] $message
        }
    }

    method Configure options {
        foreach {option setter} {-connecttimeout client_set_connect_timeout_ms -commandtimeout
            client_set_command_timeout_ms} {
            if {[dict exists $options $option]} {
                my Check [raw::$setter $handle [TimeoutMs $option [dict get $options $option]]]
            }
        }
        if {[dict exists $options -name]} {
            if {[raw::client_set_name $handle [Text -name [dict get $options -name]]] != 0} {
                Refuse -name "expected up to 255 printable ASCII characters without spaces for -name"
            }
        }
        if {[dict exists $options -user] || [dict exists $options -password]} {
            my credentials {*}[dict filter $options key -user -password]
        }
        if {$async} {
            set channel [raw::open_channel [raw::client_fd $handle]]
            chan event $channel readable [list ::redislock::Dispatch [self namespace] $handle]
        } else {
            # Whatever a handler makes of a signal, it needs Tcl to run; see handles.c.
            my Check [raw::client_set_interruptible $handle 1]
        }
    }

    destructor {
        if {[info exists channel]} {
            chan close $channel
        }
        ::redislock::ClientEnds [self namespace] "the client was destroyed"
        catch {::redislock::raw::drop $handle}
    }

    method Check status {
        Check $status [list raw::client_error $handle]
    }

    # ---- locks ----

    # lock name ?-option value ...?: a lock whose waiters queue, and are woken in order.
    method lock {name args} {
        return [my NewLock $::redislock::raw::KIND_PUBSUB $name $args {}]
    }

    # spinlock name ?-option value ...?: one whose waiters try again at an interval.
    method spinlock {name args} {
        return [my NewLock $::redislock::raw::KIND_SPIN $name $args {-interval -growth -maxinterval}]
    }

    method NewLock {kind name words more} {
        set options [Options $words [list -wait -ttl -renew -owner -token -lostcommand {*}$more]]
        set command [self namespace]::lock[incr locks]
        return [::redislock::Lock create $command [self namespace] $handle $kind $name $async $encoding $options]
    }

    method Self {} {
        return [self]
    }

    # ---- questions ----

    # Connects now, if it isn't, so that a wrong address or password is known early.
    method connect {} {
        my Check [raw::client_connect $handle]
        return
    }

    # ping ?-command prefix?: asks the server for a sign of life.
    method ping args {
        set options [Options $args -command]
        if {$async} {
            my Start [list raw::client_start_ping $handle] $options
        } else {
            my Blocking $options
            my Check [raw::client_ping $handle]
        }
        return
    }

    # status name ?-command prefix?: a dictionary that tells who holds a name.
    method status {name args} {
        set options [Options $args -command]
        set bytes [Name $encoding $name]
        if {$async} {
            return [my Start [list raw::client_start_info $handle $bytes] $options]
        }
        my Blocking $options
        lassign [raw::info_get $handle $bytes] status info
        my Check $status
        return [my Answer $info]
    }

    method Answer info {
        set answer [dict create locked [raw::info_locked $info] \
            token [lindex [raw::info_token $info] 0] \
            owner [encoding convertfrom $encoding [lindex [raw::info_owner $info] 0]] \
            remaining [Seconds [raw::info_remaining_ms $info]] \
            waiters [raw::info_waiters $info] fence [raw::info_fence $info]]
        raw::drop $info
        return $answer
    }

    # break name ?-token token? ?-command prefix?: releases a lock by force, whoever holds it, or only if that token does;
    # 0 if there was nothing to break.
    method break {name args} {
        set options [Options $args {-token -command}]
        set bytes [Name $encoding $name]
        set token [Get $options -token]
        if {[dict exists $options -token]} {
            Token $token
        }
        if {$async} {
            try {
                my Start [list raw::client_start_break $handle $bytes $token] $options
            } trap {REDISLOCK NOT_LOCKED} {} {
                return 0
            }
            return 1
        }
        my Blocking $options
        set status [raw::client_break $handle $bytes $token]
        if {$status == $::redislock::raw::NOT_LOCKED} {
            return 0
        }
        my Check $status
        return 1
    }

    method Start {words options} {
        return [Start [self namespace] $handle "" "" $words [Get $options -command]]
    }

    method Blocking options {
        if {[dict exists $options -command]} {
            Refuse -command "-command is for a client with -async 1"
        }
    }

    # list ?pattern?: the names that redislock has locked; the pattern is one of the shell.
    method list {{pattern ""}} {
        set names {}
        set text [Bytes pattern $encoding $pattern]
        if {[string first \0 $text] >= 0 || [string length $text] > 4096} {
            Refuse pattern "a pattern must have up to 4096 bytes, and no NUL"
        }
        lassign [raw::list_new $handle $text] status walk
        my Check $status
        try {
            while {1} {
                lassign [raw::list_next $walk] status name
                if {$status == $::redislock::raw::END} {
                    return [dict keys $names]
                }
                my Check $status
                # A walk may see one twice.
                dict set names [encoding convertfrom $encoding $name] 1
            }
        } finally {
            raw::drop $walk
        }
    }

    # credentials ?-user user? ?-password password?: those of the next connect; without any, none.
    method credentials args {
        set options [Options $args {-user -password}]
        set user [Text -user [Get $options -user]]
        set status [raw::client_set_credentials $handle $user [Text -password [Get $options -password]]]
        if {$status == $::redislock::raw::INVALID_ARGUMENT} {
            Refuse -password "expected up to 4096 bytes for -user and -password, and no -user without a -password"
        }
        my Check $status
        return
    }

    # A channel that gets readable when a lease under renewal could not be kept; reading 8 bytes re-arms it.
    method lostchannel {} {
        set fd [raw::client_lost_fd $handle]
        if {$fd < 0} {
            my Check $fd
        }
        return [raw::open_channel $fd]
    }
}
