# SPDX-License-Identifier: MIT
"""Builds the raw module against the library that pkg-config knows. The rest is in pyproject.toml."""

import os
import shlex
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


def pkg_config(option):
    """What it says of the library, in words."""
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), option, "redislock"]
    try:
        return shlex.split(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    except (OSError, subprocess.CalledProcessError):
        sys.exit("redislock: install the library before its module for Python, and set PKG_CONFIG_PATH to the folder "
                 "of redislock.pc if pkg-config doesn't find it")


class BuildWithSwig(build_ext):
    """The wrapper is made of the header that is installed."""

    def build_extension(self, ext):
        include = pkg_config("--variable=includedir")
        wrapper = os.path.join(self.build_temp, "wrapper.c")
        os.makedirs(self.build_temp, exist_ok=True)
        self.spawn([os.environ.get("SWIG", "swig"), "-python", "-builtin", "-threads", "-module", "redislock", "-I.",
                    *("-I" + folder for folder in include), "-o", wrapper, "-outdir", self.build_temp, "redislock.i"])
        ext.sources = [wrapper, "interrupt.c"]
        ext.include_dirs = [".", *include]
        ext.extra_link_args = pkg_config("--libs")
        # Where the loader looks by itself pkg-config names no folder.
        ext.runtime_library_dirs = [option[2:] for option in pkg_config("--libs-only-L")]
        super().build_extension(ext)


setup(cmdclass={"build_ext": BuildWithSwig},
      ext_modules=[Extension("redislock._redislock", ["redislock.i"], define_macros=[("_GNU_SOURCE", None)],
                             depends=["redislock.i", "native.i", "interrupt.c", "interrupt.h"])])
