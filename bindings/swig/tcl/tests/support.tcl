# SPDX-License-Identifier: MIT
#
# What the tests share: a server of their own on a unix socket in a folder of its own, scripts in processes of their own,
# and waits for a condition.

package require Tcl 8.6-
package require tcltest
package require redislock
namespace import ::tcltest::test
load $::env(REDISLOCK_TCL_HELPER) Helper

namespace eval server {}
namespace eval script {}

# Waits until the condition holds; the deadline is for what is broken.
proc eventually {what condition} {
    set end [expr {[helper::now] + 120000000}]
    while {![uplevel 1 [list expr $condition]]} {
        if {[helper::now] > $end} {
            error "never: $what"
        }
        after 5
        update
    }
}

# What a script throws: its error code and message.
proc thrown script {
    if {[catch {uplevel 1 $script} message options] != 1} {
        error "no error, but \"$message\""
    }
    return [list [dict get $options -errorcode] $message]
}

# Its code alone, without REDISLOCK.
proc code script {
    return [lindex [uplevel 1 [list thrown $script]] 0 1]
}

# ---- the server ----

proc server::program {} {
    if {[info exists ::env(REDIS_SERVER)] && $::env(REDIS_SERVER) ne ""} {
        return $::env(REDIS_SERVER)
    }
    foreach name {redis-server valkey-server} {
        if {[auto_execok $name] ne ""} {
            return [lindex [auto_execok $name] 0]
        }
    }
    puts "SKIP: neither redis-server nor valkey-server"
    exit 77
}

proc server::start {} {
    variable folder
    variable pid
    if {![info exists folder]} {
        close [file tempfile folder /tmp/redislock-tcl]
        file delete $folder
        file mkdir $folder
        file attributes $folder -permissions 0700
    }
    # It ends with this process, however that ends.
    set pid [exec setpriv --pdeathsig KILL [program] --port 0 --unixsocket $folder/socket --save {} --dir $folder >> $folder/log 2>@1 &]
    eventually "the server listens" {![catch {close [helper::connect $server::folder/socket]}]}
}

proc server::signal name {
    variable pid
    exec kill -$name $pid
}

proc server::kill {} {
    variable connection
    variable folder
    signal KILL
    if {[info exists connection]} {
        close $connection
        unset connection
    }
    file delete $folder/socket
}

proc server::url {} {
    variable folder
    return unix://$folder/socket
}

# The answer to a command; lists are lists, nothing is (nil), and errors are errors.
proc server::command args {
    variable connection
    variable folder
    if {![info exists connection]} {
        set connection [helper::connect $folder/socket]
        fconfigure $connection -translation binary -buffering full
    }
    puts -nonewline $connection "*[llength $args]\r\n"
    foreach word $args {
        puts -nonewline $connection "\$[string length $word]\r\n$word\r\n"
    }
    flush $connection
    return [answer]
}

proc server::answer {} {
    variable connection
    set line [string range [gets $connection] 0 end-1]
    set rest [string range $line 1 end]
    switch -- [string index $line 0] {
        + - : {
            return $rest
        }
        - {
            error $rest
        }
        $ {
            if {$rest == -1} {
                return (nil)
            }
            return [string range [read $connection [expr {$rest + 2}]] 0 end-2]
        }
        * {
            set list {}
            for {set i 0} {$i < $rest} {incr i} {
                lappend list [answer]
            }
            return $list
        }
    }
    error "the server answered \"$line\""
}

proc server::waiting name {
    return [command ZCARD rlock-queue:{$name}:$name]
}

proc server::locked name {
    return [command EXISTS $name]
}

# ---- scripts ----

# Starts a script in a process of its own, with $url set and the package there; returns its channel. It talks by say.
proc script::start body {
    variable count
    set path $::server::folder/script[incr count].tcl
    set file [open $path w]
    puts $file "package require redislock\nset url [list [server::url]]"
    puts $file "proc say args {puts \[join \$args\]; flush stdout}\n$body"
    close $file
    return [open |[list [info nameofexecutable] $path 2>@1] r+]
}

# Waits for its end; the exit status, or the name of the signal that ended it.
proc script::end channel {
    set rest [read $channel]
    if {[catch {close $channel} message options]} {
        lassign [dict get $options -errorcode] kind - status
        if {$kind in {CHILDSTATUS CHILDKILLED}} {
            return $status
        }
        error "$message$rest"
    }
    return 0
}

# ---- the end ----

proc finish {} {
    server::kill
    set failed [expr {$::tcltest::numTests(Failed) > 0 || $::tcltest::numTests(Total) == 0}]
    ::tcltest::cleanupTests
    file delete -force $::server::folder
    exit $failed
}

server::start
