# SPDX-License-Identifier: MIT
#
# Coroutines that take turns in one event loop, while a clock ticks: loop.tcl ?url?

package require redislock

set client [redislock::connect {*}$argv -async 1]

proc work {client worker} {
    foreach round {1 2 3} {
        redislock::with $client turn -wait 60 {
            puts "worker $worker has turn [redislock::fence]"
            after 20 [info coroutine]
            yield
        }
    }
    if {[incr ::done] == 3} {
        set ::finished 1
    }
}

proc tick {} {
    incr ::ticks
    after 5 tick
}

tick
foreach worker {a b c} {
    coroutine worker-$worker work $client $worker
}
vwait finished
puts "and the clock ticked [expr {$ticks > 3 ? "on" : "not"}]"
$client destroy
