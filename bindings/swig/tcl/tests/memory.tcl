# SPDX-License-Identifier: MIT
#
# Everything a few times over, for valgrind: memory.tcl URL

package require redislock

proc everything {url client async} {
    set name with\0zero
    set lock [$client lock $name -owner me -token token -wait 0]
    $lock acquire
    $lock extend 5
    $client status $name
    $client list
    close [$client lostchannel]
    if {[[$client spinlock $name] try]} {
        error twice
    }
    foreach script {{$lock acquire} {[$client lock free] release} {redislock::connect redis://a:b} {redislock::raw::drop x}
        {$client lock $name -owner \n} {redislock::connect $url -wrong 1} {redislock::with $client free {error x}}} {
        if {![catch $script]} {
            error "no error: $script"
        }
    }
    $client break $name
    $lock destroy
    [[redislock::connect $url] lock forgotten -wait 0] try
    coroutine work apply {async {
        redislock::with $async loop {$async status loop}
        redislock::with $async loop {yield}
    }} $async
    coroutine wait apply {async {[$async lock loop] acquire}} $async
    after 10 {set ::over 1}
    vwait ::over
    foreach coroutine {work wait} {
        catch {rename $coroutine ""}
    }
}

set url [lindex $argv 0]
set client [redislock::connect $url]
set async [redislock::connect $url -async 1]
for {set i 0} {$i < 10} {incr i} {
    everything $url $client $async
}
set inside [interp create]
$inside eval [list set url $url]
$inside eval {package require redislock; [[redislock::connect $url] lock inside] acquire}
interp delete $inside
$client destroy
