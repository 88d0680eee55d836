# SPDX-License-Identifier: MIT

# What the tests share: a server of their own on a unix socket, ended by its process id; children; patience.
package TestServer;

use strict;
use warnings;

use Exporter 'import';
use File::Temp  ();
use IO::Socket::UNIX ();
use POSIX       ();
use Test::More  ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC sleep);

our @EXPORT = qw(dies_like child eventually now until_waiting);

use constant PATIENCE => 60;

sub now { clock_gettime(CLOCK_MONOTONIC) }

sub eventually {
    my ($what, $condition) = @_;
    my $deadline = now() + PATIENCE;
    until ($condition->()) {
        die "in vain waited until $what\n" if now() > $deadline;
        sleep 0.002;
    }
    return 1;
}

# ---- the server ----

sub start {
    my ($class) = @_;
    my $folder = File::Temp->newdir('redislock-perl-XXXXXX', TMPDIR => 1);
    my $self = bless {folder => $folder, socket => "$folder/socket", owner => $$}, $class;
    $self->run;
    return $self;
}

sub run {
    my ($self) = @_;
    my ($program) = grep { defined } $ENV{REDIS_SERVER}, grep { my $name = $_; grep { -x "$_/$name" } split /:/, $ENV{PATH} }
        qw(redis-server valkey-server);
    $self->{pid} = fork // die "fork: $!";
    if (!$self->{pid}) {
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', '/dev/null';
        { exec $program, '--port', 0, '--unixsocket', $self->{socket}, '--save', '', '--dir', "$self->{folder}" };
        POSIX::_exit(127);
    }
    eventually('the server answers', sub { eval { $self->command('PING') } });
    return;
}

sub kill {
    my ($self) = @_;
    CORE::kill('KILL', $self->{pid});
    waitpid $self->{pid}, 0;
    unlink $self->{socket};
    $self->{pid} = undef;
    return;
}

sub pause  { CORE::kill('STOP', $_[0]{pid}) }
sub resume { CORE::kill('CONT', $_[0]{pid}) }

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner} || !$self->{pid};
    local ($@, $!, $?);
    $self->kill;
    return;
}

sub url    { "unix://$_[0]{socket}" }
sub socket { $_[0]{socket} }

sub password {
    my ($self, $password) = @_;
    $self->{password} = $password;
    return;
}

# Words in, an answer out: a list as an array's reference. Errors die.
sub command {
    my ($self, @words) = @_;
    my $socket = IO::Socket::UNIX->new(Peer => $self->{socket}) or die "the server is away: $!\n";
    my $ask = sub {
        print $socket '*' . @_ . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @_;
        $socket->flush;
        return answer($socket);
    };
    $ask->('AUTH', $self->{password}) if defined $self->{password};
    return $ask->(@words);
}

sub answer {
    my ($socket) = @_;
    local $/ = "\r\n";
    defined(my $line = <$socket>) or die "the server closed the connection\n";
    chomp $line;
    my ($type, $rest) = (substr($line, 0, 1), substr $line, 1);
    return $rest if $type eq '+' || $type eq ':';
    die "$rest\n" if $type eq '-';
    if ($type eq '$') {
        return undef if $rest < 0;
        read $socket, my $bytes, $rest + 2;
        return substr $bytes, 0, $rest;
    }
    return [map { answer($socket) } 1 .. $rest];
}

sub exists  { $_[0]->command('EXISTS', $_[1]) == 1 }
sub waiting { $_[0]->command('ZCARD', "rlock-queue:{$_[1]}:$_[1]") }
sub tickets { $_[0]->command('ZRANGE', "rlock-queue:{$_[1]}:$_[1]", 0, -1) }

sub connections {
    my ($self, $text) = @_;
    return scalar grep { /\Q$text\E/ } split /\n/, $self->command('CLIENT', 'LIST');
}

# Nothing may be left but states that expire, which remember fences.
sub is_clean {
    my ($self) = @_;
    my @left;
    my $clean = eval {
        eventually('the server is clean', sub {
            @left = grep { !/\Arlock-state:/ || $self->command('PTTL', $_) == -1 } @{$self->command('KEYS', '*')};
            return !@left;
        });
    };
    Test::More::ok($clean, 'nothing is left on the server') or Test::More::diag("left: @left");
    return;
}

sub until_waiting {
    my ($server, $name, $count) = @_;
    return eventually("$count wait for $name", sub { $server->waiting($name) == $count });
}

# ---- others ----

# Runs code in a child process, which ends with it; returns an object with its pid. What the code returns is what
# ->result returns, as text; if it died, so does that.
sub child {
    my ($code) = @_;
    pipe my $reader, my $writer or die "pipe: $!";
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        my $result = eval { $code->() };
        $result = $@ ne '' ? "died: $@" : "returned: " . ($result // 'undef');
        syswrite $writer, $result;
        POSIX::_exit(0);
    }
    close $writer;
    return bless {pid => $pid, reader => $reader}, 'TestServer::Child';
}

package TestServer::Child;

sub pid { $_[0]{pid} }

sub result {
    my ($self) = @_;
    my $reader = $self->{reader};
    my $result = do { local $/; <$reader> };
    waitpid $self->{pid}, 0;
    return $result =~ s/\Areturned: //r if $result =~ /\Areturned/;
    die "a child $result\n";
}

package TestServer;

# Checks that code dies with such a text, or an object of such a class; returns what it died of.
sub dies_like {
    my ($code, $expected, $title) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $lived = eval { $code->(); 1 };
    my $error = $@;
    if ($lived) {
        Test::More::fail("$title: it lived");
    }
    elsif (ref $expected) {
        Test::More::like($error, $expected, $title);
    }
    else {
        Test::More::is(ref $error, $expected, $title) or Test::More::diag($error);
    }
    return $error;
}

1;
