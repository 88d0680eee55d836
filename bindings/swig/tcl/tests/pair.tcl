# SPDX-License-Identifier: MIT
#
# Uncontended pairs: pair.tcl URL N takes and releases one lock N times, and prints the nanoseconds of a pair.

package require redislock
load $::env(REDISLOCK_TCL_HELPER) Helper

proc pairs {url count} {
    set lock [[redislock::connect $url] lock pair]
    [$lock acquire] release
    set began [helper::now]
    for {set i 0} {$i < $count} {incr i} {
        $lock acquire
        $lock release
    }
    return [expr {([helper::now] - $began) * 1000 / $count}]
}
puts [pairs {*}$argv]
