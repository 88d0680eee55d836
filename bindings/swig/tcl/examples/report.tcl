# SPDX-License-Identifier: MIT
#
# One report at a time, however many machines make one: report.tcl ?url?

package require redislock

set client [redislock::connect {*}$argv]
try {
    redislock::with $client report -wait 10 -owner "[info hostname] [pid]" {
        puts "making the report, fence [redislock::fence]"
    }
} trap {REDISLOCK NOT_ACQUIRED} {} {
    puts stderr "[dict get [$client status report] owner] is at it"
    exit 75
} trap REDISLOCK message {
    puts stderr $message
    exit 69
}
