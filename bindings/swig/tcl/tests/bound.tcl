# SPDX-License-Identifier: MIT
#
# Whether the binding is complete: bound.tcl HEADER
#
# Every public function of the header is bound under a name in Tcl, or left out for a reason; no entry is out of date;
# whatever the package has is in its reference, and each option and error code as well; and what documents show is complete.

package require redislock

array set bound {
    redislock_version_number {redislock::version}
    redislock_version_string {redislock::version}
    redislock_has {redislock::has}
    redislock_strerror {the message of an error}
    redislock_error_name {the code of an error}
    redislock_client_new {redislock::connect}
    redislock_client_new_eventloop {redislock::connect -async}
    redislock_url_error {the message of an error}
    redislock_client_free {client destroy}
    redislock_client_set_connect_timeout_ms {redislock::connect -connecttimeout}
    redislock_client_set_command_timeout_ms {redislock::connect -commandtimeout}
    redislock_client_set_name {redislock::connect -name}
    redislock_client_set_credentials {client credentials}
    redislock_client_set_interruptible {always on: signals let handlers run}
    redislock_client_connect {client connect}
    redislock_client_ping {client ping}
    redislock_client_lost_fd {client lostchannel}
    redislock_client_error {the message of an error}
    redislock_client_break {client break}
    redislock_lock_new {client lock}
    redislock_lock_free {lock destroy}
    redislock_lock_set_ttl_ms {client lock -ttl}
    redislock_lock_set_renewal {client lock -renew}
    redislock_lock_set_wait_ms {client lock -wait}
    redislock_lock_set_spin_interval_ms {client spinlock -interval}
    redislock_lock_set_spin_growth {client spinlock -growth}
    redislock_lock_set_owner {client lock -owner}
    redislock_lock_set_token {client lock -token}
    redislock_lock_acquire {lock acquire}
    redislock_lock_cancel {lock cancel}
    redislock_lock_release {lock release}
    redislock_lock_extend {lock extend}
    redislock_lock_is_held {lock held}
    redislock_lock_remaining_ms {lock remaining}
    redislock_lock_fence {lock fence}
    redislock_lock_token {lock token}
    redislock_lock_channel {lock channel}
    redislock_lock_place {lock place}
    redislock_lock_error {the message of an error}
    redislock_client_fd {Tcl's own event loop polls it}
    redislock_client_dispatch {Tcl's own event loop calls it}
    redislock_client_next_event {what commands and coroutines are told}
    redislock_lock_start_acquire {lock acquire}
    redislock_lock_start_release {lock release}
    redislock_lock_start_extend {lock extend}
    redislock_client_start_ping {client ping}
    redislock_client_start_info {client status}
    redislock_client_start_break {client break}
    redislock_info_get {client status}
    redislock_info_free {client status}
    redislock_info_locked {client status}
    redislock_info_token {client status}
    redislock_info_owner {client status}
    redislock_info_remaining_ms {client status}
    redislock_info_waiters {client status}
    redislock_info_fence {client status}
    redislock_list_new {client list}
    redislock_list_next {client list}
    redislock_list_free {client list}
    redislock_event_type {what commands and coroutines are told}
    redislock_event_status {what commands and coroutines are told}
    redislock_event_tag {what commands and coroutines are told}
    redislock_event_take_info {client status}
}

array set left_out {
    redislock_client_set_tls_authorities {the URL says it}
    redislock_client_set_tls_certificate {the URL says it}
    redislock_client_set_sentinel_credentials {the URL says it}
    redislock_client_set_tls_server_name {the URL says it}
    redislock_client_set_min_replicas {not offered yet; the server's min-replicas-to-write comes near to it}
    redislock_client_set_tls_unverified {for trying things out, which another tool can do}
    redislock_client_interrupt {no Tcl runs while an interpreter waits, and signals interrupt by themselves}
    redislock_lock_interrupt {no Tcl runs while an interpreter waits, and signals interrupt by themselves}
    redislock_lock_name {the lock keeps the text that it was made with: lock name}
    redislock_client_timeout_ms {Tcl's event loop polls the descriptor}
    redislock_event_lock {the tag tells which lock it is}
}
foreach name {
    redislock_quorum_new redislock_quorum_new_eventloop redislock_quorum_add_server redislock_quorum_free
    redislock_quorum_set_server_timeout_ms redislock_quorum_set_interruptible redislock_quorum_interrupt
    redislock_quorum_lost_fd redislock_quorum_lock_new redislock_quorum_lock_free redislock_quorum_lock_set_ttl_ms
    redislock_quorum_lock_set_renewal redislock_quorum_lock_set_wait_ms redislock_quorum_lock_set_spin_interval_ms
    redislock_quorum_lock_set_owner redislock_quorum_lock_acquire redislock_quorum_lock_release
    redislock_quorum_lock_extend redislock_quorum_lock_is_held redislock_quorum_lock_remaining_ms
    redislock_quorum_lock_agreed redislock_quorum_lock_token redislock_quorum_lock_name redislock_quorum_lock_interrupt
    redislock_quorum_lock_error redislock_quorum_fd redislock_quorum_timeout_ms redislock_quorum_dispatch
    redislock_quorum_next_event redislock_event_quorum_lock redislock_quorum_lock_start_acquire
    redislock_quorum_lock_start_release redislock_quorum_lock_start_extend redislock_quorum_lock_cancel
} {
    set left_out($name) {many masters: no face for it yet}
}

set complaints 0
proc complain text {
    incr ::complaints
    puts $text
}

proc contents path {
    set file [open $path]
    fconfigure $file -encoding utf-8
    set text [read $file]
    close $file
    return $text
}

set folder [file normalize [file join [file dirname [info script]] ..]]
set header [contents [lindex $argv 0]]

# ---- functions ----

set declared {}
foreach {- name} [regexp -all -inline -line {^[a-z][^\n(]*[ *](redislock_[a-z\d_]*)\(} $header] {
    lappend declared $name
}
if {[llength $declared] < 60} {
    error "the header was misread: [llength $declared]"
}

# Calls in Tcl, by the names of the raw module; in handles.c; and in what all languages share.
set sources ""
foreach path [glob $folder/*.tcl $folder/*.c $folder/../redislock.i] {
    append sources [regsub -all -line {^\s*#.*$|%ignore.*$} [contents $path] ""]
}

foreach name $declared {
    set raw [string range $name [string length redislock_] end]
    set called [expr {[regexp "raw::$raw\\M|\\m$name\\(|\\m$raw\\M" $sources]}]
    switch [info exists bound($name)][info exists left_out($name)] {
        11 {complain "$name: bound and left out"}
        10 {if {!$called} {complain "$name: bound as $bound($name), but nowhere called"}}
        01 {if {[regexp "raw::$raw\\M" $sources]} {complain "$name: left out, but called"}}
        00 {complain "$name: neither bound nor left out"}
    }
}
foreach name [concat [array names bound] [array names left_out]] {
    if {$name ni $declared} {
        complain "$name: no function of the header any more"
    }
}

# ---- names in Tcl, and in the reference ----

set reference [contents $folder/reference.md]
set methods(client) [lsort [concat [info class methods ::redislock::Client] destroy]]
set methods(lock) [lsort [concat [info class methods ::redislock::Lock] destroy]]
set methods(redislock) [namespace eval ::redislock {namespace export}]

foreach name [array names bound] {
    set where $bound($name)
    if {[regexp {^(client|lock) ([a-z]+)( -\w+)?$} $where - object method option]} {
        if {$method ni $methods($object)} {
            complain "$name: there is no $where"
        }
    } elseif {[regexp {^redislock::([a-z]+)( -\w+)?$} $where - command option]} {
        if {$command ni $methods(redislock)} {
            complain "$name: there is no $where"
        }
    } else {
        continue
    }
    if {$option ne "" && ![regexp -- "\\{\[^{}\]*$option\\M\[^{}\]*\\}|\\m.*$option" $sources]} {
        complain "$name: there is no option$option"
    }
}
foreach {object pattern} {client {^    client %s\M} lock {^    lock .*\m%s\M} redislock {^    redislock::%s\M}} {
    foreach method $methods($object) {
        if {![regexp -line [format $pattern $method] $reference] || ![regexp "\\*\\*(\\w+ |redislock::)?$method\\*\\*" $reference]} {
            complain "reference.md: nothing of $object $method"
        }
    }
}
foreach option {-async -connecttimeout -commandtimeout -name -user -password -encoding -wait -ttl -renew -owner -token
    -lostcommand -interval -growth -maxinterval -command} {
    if {![regexp -- "\[{ \]$option\[ }\]" $sources]} {
        complain "the package has no option $option any more"
    }
    if {![regexp -- "`$option`|$option prefix" $reference]} {
        complain "reference.md: nothing of $option"
    }
}
foreach {- name} [regexp -all -inline -line {^\tREDISLOCK_([A-Z_]+) = -?\d+,? +/\*} $header] {
    if {$name ni {OK END INTERRUPTED FOREVER NO_EXPIRY} && ![string match KIND_* $name] && ![string match EVENT_* $name]} {
        incr codes
        if {![regexp "\\| `REDISLOCK $name\\M" $reference]} {
            complain "reference.md: nothing of $name"
        }
    }
}
if {$codes < 20} {
    error "the header was misread: $codes codes"
}

# ---- what documents show ----

foreach path [list $folder/README.md] {
    foreach {- code} [regexp -all -inline {```tcl\n(.*?)```} [contents $path]] {
        incr shown
        if {![info complete $code]} {
            complain "$path: not complete: $code"
        }
    }
}
if {$shown < 3} {
    error "the README was misread"
}

if {$complaints} {
    exit 1
}
puts "[llength $declared] functions: [array size bound] bound, [array size left_out] left out on purpose"
