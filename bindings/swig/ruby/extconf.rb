# frozen_string_literal: true

# SPDX-License-Identifier: MIT
#
# Builds the module as a gem, beside an installed library.

require "mkmf"

pkg_config("redislock") or abort "redislock.pc is not found: is the library installed, and PKG_CONFIG_PATH set?"
swig = with_config("swig") || ENV["SWIG"] || find_executable("swig") or abort "SWIG 4.1 or later is missing"
headers = pkg_config("redislock", "variable=includedir")
shared = [File.join(__dir__, ".."), __dir__].find { |folder| File.exist?(File.join(folder, "redislock.i")) }
system(swig, "-ruby", "-module", "RedisLock::Native", "-initname", "native", "-o", "wrapper.c", "-I#{__dir__}",
       "-I#{headers}", File.join(shared, "redislock.i")) or abort "SWIG failed"

$CFLAGS << " -fno-strict-aliasing"
$srcs = ["wrapper.c", "apart.c"]
$VPATH << "$(srcdir)" << "."
$INCFLAGS << " -I$(srcdir)"
create_makefile("redislock/native")
