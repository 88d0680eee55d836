# SPDX-License-Identifier: MIT

# Checks arguments: what is wrong dies with a text that names it and the place of the call. Private.
package RedisLock::Options;

use strict;
use warnings;

use RedisLock::Error ();
use Scalar::Util     ();
use overload         ();

use constant {
    INFINITY   => 9**9**9,
    LONGEST_MS => 2**53 - 1,
    FOREVER    => -1,
};

# What a number of seconds may be: the least and the most in milliseconds, and whether it may be infinite.
use constant {
    WAIT    => [0, LONGEST_MS, 1],
    TTL     => [1, LONGEST_MS, 1],
    TIMEOUT => [1, 2**31 - 1,  0],
};

sub refuse {
    my ($text) = @_;
    my ($file, $line) = RedisLock::Error::place();
    die "$text at $file line $line.\n";
}

# A call's named options as a hash: refuses those that there aren't.
sub named {
    my ($known, @options) = @_;
    refuse('options: pairs of a name and a value expected') if @options % 2;
    my %options = @options;
    for my $name (sort keys %options) {
        next if grep { $_ eq $name } @$known;
        refuse("unknown option '$name'; there " . (@$known > 1 ? 'are ' : 'is ') . join ', ', @$known);
    }
    return \%options;
}

sub got {
    my ($value) = @_;
    return !defined $value ? 'undef' : ref $value ? 'a reference' : "'$value'";
}

sub number {
    my ($what, $value, $least, $most, $expected) = @_;
    return undef if !defined $value;
    my $number = ref $value && overload::Method($value, '0+') ? 0 + $value : $value;
    if (ref $number || !Scalar::Util::looks_like_number($number) || !($number >= $least && $number <= $most)) {
        refuse("$what: $expected expected, got " . got($value));
    }
    return $number;
}

# Milliseconds of a number of seconds; undef for undef.
sub milliseconds {
    my ($what, $value, $range) = @_;
    my ($least, $most, $endless) = @$range;
    my $expected = sprintf 'seconds from %s to %d%s', $least ? '0.001' : '0', $most / 1000, $endless ? " or 'inf'" : '';
    my $seconds = number($what, $value, 0, $endless ? INFINITY : $most / 1000, $expected);
    return undef   if !defined $seconds;
    return FOREVER if $seconds == INFINITY;
    my $ms = int($seconds * 1000 + 0.5);
    $ms = 1 if $ms == 0 && $seconds > 0;
    refuse("$what: $expected expected, got " . got($value)) if $ms < $least || $ms > $most;
    return $ms;
}

# Bytes; undef for undef.
sub bytes {
    my ($what, $value) = @_;
    return undef if !defined $value;
    refuse("$what: a string expected, got a reference") if ref $value && !overload::Method($value, '""');
    my $bytes = "$value";
    utf8::downgrade($bytes, 1) or refuse("$what: a string of bytes expected: encode its wide characters");
    return $bytes;
}

# Bytes for functions whose texts end at a NUL.
sub text {
    my ($what, $value) = @_;
    my $text = bytes($what, $value);
    refuse("$what: a string without NUL expected") if defined $text && $text =~ /\0/;
    return $text;
}

sub name {
    my $name = bytes('name', $_[0]);
    refuse('name: a string expected, got undef') if !defined $name;
    my $length = length $name;
    refuse("name: 1 to 32768 bytes expected, got $length") if $length < 1 || $length > 32768;
    refuse("name: it begins like redislock's own keys")    if $name =~ /\Arlock-(?:queue|state):/;
    return $name;
}

1;
