# SPDX-License-Identifier: MIT
#
# redislock for Tcl: a distributed lock that lives in Redis or Valkey. See reference.md.

package require Tcl 8.6-

namespace eval ::redislock {
    namespace export connect with fence lock has version
    variable folder [file dirname [file normalize [info script]]]

    # How many clients were made, for their names.
    variable clients 0

    # By coroutine: the locks of the bodies that run there, the innermost last.
    variable bodies
    array set bodies {}
}

load [file join $::redislock::folder redislock_raw.so] Redislock_raw
foreach script {options loop client lock} {
    source -encoding utf-8 [file join $::redislock::folder $script.tcl]
}

# connect ?url? ?-option value ...?: makes a client, a command. It connects at its first use.
proc ::redislock::connect args {
    variable clients
    if {[llength $args] && ![string match -* [lindex $args 0]]} {
        set args [lassign $args url]
    } elseif {[info exists ::env(REDISLOCK_URL)] && $::env(REDISLOCK_URL) ne ""} {
        set url $::env(REDISLOCK_URL)
    } else {
        set url redis://127.0.0.1:6379/0
    }
    set name ::redislock::client[incr clients]
    return [Client createWithNamespace $name $name $url $args]
}

# with client name ?-option value ...? body: runs the body with the lock held, which is released whatever happens.
proc ::redislock::with {client name args} {
    if {[llength $args] % 2 == 0} {
        throw {TCL WRONGARGS} "wrong # args: should be \"redislock::with client name ?-option value ...? body\""
    }
    set lock [$client lock $name {*}[lrange $args 0 end-1]]
    # Whatever becomes of this frame; and a body may have destroyed it.
    trace add variable lock unset [list apply {{lock args} {catch {$lock destroy}}} $lock]
    set code [catch {uplevel 1 [list $lock with [lindex $args end]]} result options]
    unset lock
    dict incr options -level
    return -options $options $result
}

# The lock of the innermost body that runs here.
proc ::redislock::lock {} {
    variable bodies
    set coroutine [info coroutine]
    if {![info exists bodies($coroutine)]} {
        throw {REDISLOCK NOT_OWNED} "there is no body here that runs with a lock held"
    }
    return [[lindex $bodies($coroutine) end]::my Self]
}

# Its fencing token.
proc ::redislock::fence {} {
    return [[lock] fence]
}

# Whether the library has a feature, as in "tls"; 0 for any it doesn't know.
proc ::redislock::has feature {
    return [expr {[string first \0 $feature] < 0 && [raw::has [encoding convertto utf-8 $feature]]}]
}

# version ?-number?: as in 1.0.0, or as major * 1000000 + minor * 1000 + patch.
proc ::redislock::version {{form ""}} {
    switch -- $form {
        "" {return [raw::version_string]}
        -number {return [raw::version_number]}
    }
    throw {REDISLOCK INVALID_ARGUMENT} "bad option \"$form\": must be -number"
}

# Its own version, which the library may be ahead of.
package provide redislock [package provide redislock_raw]
