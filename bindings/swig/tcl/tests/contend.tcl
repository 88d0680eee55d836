# SPDX-License-Identifier: MIT
#
# A contender in Tcl, for the test of interoperation: contend.tcl blocking|eventloop URL NAME ROUNDS
# What it says and reads is described in tests/integration/contend.c.

package require redislock
load $::env(REDISLOCK_TCL_HELPER) Helper

lassign $argv form url name rounds

proc hold {} {
    set acquired [helper::now]
    after 1
    puts "$acquired [helper::now] [redislock::fence]"
}

# So that the queue runs dry now and then, and those have a chance that have no place in it.
proc pause {} {
    after [expr {[helper::now] % 20}]
}

proc work {client name} {
    while {$::rounds > 0} {
        incr ::rounds -1
        redislock::with $client $name -wait Inf hold
        pause
    }
    incr ::running -1
}

set client [redislock::connect $url -async [expr {$form eq "eventloop"}]]
puts ready
flush stdout
gets stdin
if {$form eq "blocking"} {
    set locks [list [$client lock $name -wait Inf] [$client spinlock $name -wait Inf -interval 0.005]]
    for {set i 0} {$i < $rounds} {incr i} {
        [lindex $locks [expr {$i % 2}]] with hold
        pause
    }
} else {
    set running 3
    foreach worker {1 2 3} {
        coroutine worker$worker work $client $name
    }
    while {$running > 0} {
        vwait running
    }
}
