# SPDX-License-Identifier: MIT

# The raw module: what the C header declares, under its names without the prefix. Private.
package RedisLock::Native;

use strict;
use warnings;

require XSLoader;
XSLoader::load('RedisLock::Native');

# A handle frees what it stands for; and it is one interpreter's: another thread's would free that a second time.
for my $type (qw(client lock info list)) {
    no strict 'refs';
    *{"RedisLock::Native::${type}::DESTROY"}    = \&{"delete_redislock_$type"};
    *{"RedisLock::Native::${type}::CLONE_SKIP"} = sub { 1 };
}
*RedisLock::Native::hold::DESTROY    = \&hold_free;
*RedisLock::Native::hold::CLONE_SKIP = sub { 1 };

1;
