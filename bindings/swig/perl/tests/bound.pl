# SPDX-License-Identifier: MIT
#
# Whether the module is complete: bound.pl HEADER
#
# Every public function of the header is bound under a name in Perl, or left out for a reason; no entry is out of date;
# whatever the module has is in its POD; and what documents show can be compiled.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Spec;
use Pod::Checker ();
use RedisLock;

my ($header) = @ARGV or die "usage: bound.pl HEADER\n";
my $folder = File::Spec->rel2abs(dirname(__FILE__) . '/..');

my %bound = (
    version_string => 'RedisLock::library_version', has => 'RedisLock::has',
    strerror => "an error's message",
    client_new => 'RedisLock::new', url_error => "an error's message", client_free => 'RedisLock::Native::client::DESTROY',
    client_set_connect_timeout_ms => 'RedisLock::new', client_set_command_timeout_ms => 'RedisLock::new',
    client_set_name => 'RedisLock::new', client_set_credentials => 'RedisLock::set_credentials',
    client_set_interruptible => 'always on: handlers of %SIG run', client_connect => 'RedisLock::connect',
    client_ping => 'RedisLock::ping', client_lost_fd => 'RedisLock::lost_handle', client_error => "an error's message",
    client_break => 'RedisLock::force_release',
    lock_new => 'RedisLock::lock', lock_free => 'RedisLock::Native::lock::DESTROY',
    lock_set_ttl_ms => 'RedisLock::Lock::acquire', lock_set_renewal => 'RedisLock::Lock::acquire',
    lock_set_wait_ms => 'RedisLock::Lock::acquire', lock_set_spin_interval_ms => 'RedisLock::spin_lock',
    lock_set_spin_growth => 'RedisLock::spin_lock', lock_set_owner => 'RedisLock::lock', lock_set_token => 'RedisLock::lock',
    lock_acquire => 'RedisLock::Lock::acquire', lock_cancel => 'a handler that dies',
    lock_release => 'RedisLock::Lock::release', lock_extend => 'RedisLock::Lock::extend',
    lock_is_held => 'RedisLock::Lock::is_held', lock_remaining_ms => 'RedisLock::Lock::remaining',
    lock_fence => 'RedisLock::Lock::fence', lock_token => 'RedisLock::Lock::token', lock_channel => 'RedisLock::Lock::channel',
    lock_place => 'RedisLock::Lock::place', lock_error => "an error's message",
    info_get => 'RedisLock::status', info_free => 'RedisLock::Native::info::DESTROY', info_locked => 'RedisLock::status',
    info_token => 'RedisLock::status', info_owner => 'RedisLock::status', info_remaining_ms => 'RedisLock::status',
    info_waiters => 'RedisLock::status', info_fence => 'RedisLock::status',
    list_new => 'RedisLock::list', list_next => 'RedisLock::list', list_free => 'RedisLock::Native::list::DESTROY',
);

# Called by SWIG's or this module's C, not by name in Perl.
my %in_c = map { $_ => 1 } qw(client_free lock_free info_free list_free lock_cancel);

my $event_loop = 'a loop of Perl polls lost_handle; what waits is for a process of its own';
my %left_out = (
    version_number => 'library_version is for people, and VERSION for use',
    error_name     => 'errors have classes',
    lock_name      => 'the lock keeps the string that it was made with: name',
    client_interrupt => 'no Perl runs while its interpreter waits, and signals interrupt by themselves',
    lock_interrupt   => 'no Perl runs while its interpreter waits, and signals interrupt by themselves',
    (map { $_ => 'the URL says it' }
        qw(client_set_sentinel_credentials client_set_tls_authorities client_set_tls_certificate client_set_tls_server_name)),
    client_set_min_replicas => "not offered yet; the server's min-replicas-to-write comes near to it",
    client_set_tls_unverified => 'for trying things out, which another tool can do',
    (map { $_ => $event_loop }
        qw(client_new_eventloop client_fd client_timeout_ms client_dispatch client_next_event event_type event_status
        event_tag event_lock event_take_info lock_start_acquire lock_start_release lock_start_extend client_start_ping
        client_start_info client_start_break)),
    (map { $_ => 'many masters: no face for it yet' }
        qw(quorum_new quorum_new_eventloop quorum_add_server quorum_free quorum_set_server_timeout_ms
        quorum_set_interruptible quorum_interrupt quorum_lost_fd quorum_lock_new quorum_lock_free
        quorum_lock_set_ttl_ms quorum_lock_set_renewal quorum_lock_set_wait_ms quorum_lock_set_spin_interval_ms
        quorum_lock_set_owner quorum_lock_acquire quorum_lock_release quorum_lock_extend quorum_lock_is_held
        quorum_lock_remaining_ms quorum_lock_agreed quorum_lock_token quorum_lock_name quorum_lock_interrupt
        quorum_lock_error quorum_fd quorum_timeout_ms quorum_dispatch quorum_next_event event_quorum_lock
        quorum_lock_start_acquire quorum_lock_start_release quorum_lock_start_extend quorum_lock_cancel)),
);

my $complaints = 0;

sub complain {
    $complaints++;
    print "@_\n";
    return;
}

sub contents {
    my ($path) = @_;
    open my $file, '<', $path or die "$path: $!\n";
    local $/;
    return scalar <$file>;
}

# ---- functions ----

my @declared = contents($header) =~ /^[a-z][^\n(]*[ *]redislock_([a-z\d_]*)\(/mg;
die 'the header was misread: ' . @declared . " functions\n" if @declared <= 60;
my @sources = ("$folder/lib/RedisLock.pm", glob "$folder/lib/RedisLock/*.pm");
my $code    = join '', map { contents($_) =~ s/^__END__.*//msr =~ s/^\s*#.*//mgr } @sources;

my %declared = map { $_ => 1 } @declared;
for my $name (@declared) {
    my $used = $code =~ /\bRedisLock::Native::$name\b/;
    if ($bound{$name} && $left_out{$name}) {
        complain("$name: bound and left out");
    }
    elsif ($bound{$name} && !$used && !$in_c{$name}) {
        complain("$name: bound as $bound{$name}, but nowhere called");
    }
    elsif ($left_out{$name} && $used) {
        complain("$name: left out, but called");
    }
    elsif (!$bound{$name} && !$left_out{$name}) {
        complain("$name: neither bound nor left out");
    }
}
complain("$_: no function of the header any more") for grep { !$declared{$_} } keys %bound, keys %left_out, keys %in_c;
for my $where (values %bound) {
    complain("there is no $where") if $where =~ /\ARedisLock::/ && !defined &$where;
}
for my $name ($code =~ /\bRedisLock::Native::([a-z]\w*)\(/g) {
    complain("$name: called, but the raw module lacks it") if !defined &{"RedisLock::Native::$name"};
}

# ---- documents ----

# What is private is told by its comment, or comes in the part for that.
my %private = map { $_ => 1 } qw(CLONE_SKIP BEGIN throw place check terms pauses set_pauses prepare shown new);
my %shown;
for my $path (@sources) {
    my $text = contents($path);
    my ($package) = $text =~ /^package (\S+);/m;
    next if $package =~ /::(?:Native|Options)\z/;
    my $checker = Pod::Checker->new(-quiet => 1);
    $checker->parse_from_file($path, File::Spec->devnull);
    complain("$path: " . $checker->num_errors . ' errors in its POD') if $checker->num_errors != 0;
    my $names = join ' ', $text =~ /^=item (.*)/mg;
    for my $method ($text =~ /^sub (\w+)/mg) {
        my $told = $private{$method} && !($package eq 'RedisLock' && $method eq 'new')
            && !($package eq 'RedisLock::Lock' && $method eq 'place');
        complain("$path: nothing of $method in its POD") if !$told && $method ne 'stringify' && $names !~ /\b$method\b/;
    }
    if ($package eq 'RedisLock::Error') {
        no strict 'refs';
        for my $class (map { s/::\z//r } grep { /\A[A-Z]\w+::\z/ } keys %RedisLock::Error::) {
            complain("$path: nothing of the class $class") if $names !~ /\bRedisLock::Error::$class\b/;
        }
    }
    for my $options ($text =~ /RedisLock::Options::named\(\[(.*?)\]/sg) {
        for my $option ($options =~ /(?<![\$\w])([a-z_]{3,})\b/g) {
            complain("$path: nothing of the option $option") if contents("$folder/lib/RedisLock.pm") !~ /^=item .*\b$option\b/m;
        }
    }
    for my $paragraph ($text =~ /^=head1 SYNOPSIS\n\n(.*?)^=head1/msg) {
        $shown{"$path: SYNOPSIS"} = $paragraph;
    }
}
my $number = 0;
$shown{'README.md: example ' . ++$number} = $_ for contents("$folder/README.md") =~ /^```perl\n(.*?)^```/msg;
die "the documents were misread\n" if keys %shown < 5;
for my $where (sort keys %shown) {
    my $text = $shown{$where} =~ s/\{ \.\.\. \}/{ }/gr;
    eval "no strict; no warnings; sub { $text\n}" or complain("$where: $@");
}

exit 1 if $complaints;
printf "%d functions: %d bound, %d left out on purpose\n", scalar @declared, scalar keys %bound, scalar keys %left_out;
