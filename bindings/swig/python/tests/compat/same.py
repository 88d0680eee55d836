# SPDX-License-Identifier: MIT
"""Programs that were written for redis-lock-py, run with it and with their import line changed.

Each of the folder `programs` is run twice; both have to print the same. Before that, what the two packages offer is
compared, so that no public name is left out.
"""
import ast
import importlib
import inspect
import pathlib
import pkgutil
import re
import subprocess
import sys
import tempfile

import redis
import redis_lock
import support

PROGRAMS = pathlib.Path(__file__).parent / "programs"
IMPORT = re.compile(r"^(from|import) redis_lock\b(.*)$", re.MULTILINE)


def changed(text):
    """A program with its import lines changed."""
    text, count = IMPORT.subn(lambda line: {
        "from": f"from redislock.compat{line[2]}",
        "import": f"import redislock.compat{line[2]}{' as redis_lock' if not line[2] else ''}",
    }[line[1]], text)
    assert count, "no import line"
    return text


def output_of(path, server):
    done = subprocess.run([sys.executable, "-X", "dev", path, server.socket], text=True, capture_output=True,
                          timeout=300)
    server("FLUSHALL")
    return done.stdout + (f"ended with {done.returncode}: {done.stderr}" if done.returncode else ""), done.stderr


def run_programs(server):
    with tempfile.TemporaryDirectory() as folder:
        for program in sorted(PROGRAMS.glob("*.py")):
            if program.stem == "extending" and not hasattr(redis_lock.RedisLock, "extend"):
                print("this reference has no extend")
                continue
            copy = pathlib.Path(folder) / program.name
            text = changed(program.read_text())
            assert "redis_lock" not in {part for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)
                                        for part in (node.module or "").split(".")}, "an import line was left"
            copy.write_text(text)
            theirs, _ = output_of(program, server)
            ours, warnings = output_of(copy, server)
            if theirs != ours:
                for number, (one, other) in enumerate(zip(theirs.splitlines() + [None], ours.splitlines() + [None]), 1):
                    if one != other:
                        raise SystemExit(f"{program.name}: line {number} is with redis_lock\n{one}\n"
                                         f"and with redislock.compat\n{other}\n{ours}\n{warnings}")
            assert len(theirs.splitlines()) > 5 and "ended with" not in theirs, theirs
            assert "Warning" not in warnings, warnings
            print(f"{program.name}: {len(theirs.splitlines())} lines, the same")


def public(module):
    """What is defined there, or meant to be imported from there."""
    package = hasattr(module, "__path__")
    return {name: value for name, value in vars(module).items()
            if not name.startswith("_") and not inspect.ismodule(value)
            and (package or getattr(value, "__module__", None) == module.__name__)}


def shape(function):
    """What a caller sees of it: the names, kinds and defaults of its parameters."""
    return [(parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(function).parameters.values()], inspect.iscoroutinefunction(function)


def compare(theirs, ours, where):
    """Classes: their bases, signatures and attributes."""
    names = {base.__name__ for base in theirs.__mro__}
    assert names <= {base.__name__ for base in ours.__mro__}, f"{where}: other bases than {names}"
    if not issubclass(theirs, Exception):
        assert shape(theirs) == shape(ours), f"{where}: {shape(ours)}"
    count = 1
    for name in dir(theirs):
        if name.startswith("_") and name not in ("__enter__", "__exit__", "__aenter__", "__aexit__"):
            continue
        their, our = inspect.getattr_static(theirs, name), inspect.getattr_static(ours, name, None)
        if name == "add_note" or name in dir(Exception):
            continue
        assert type(their) is type(our), f"{where}.{name} is {our!r}"
        if inspect.isfunction(their):
            assert shape(their) == shape(our), f"{where}.{name}: {shape(our)}"
        elif not isinstance(their, property) and not name.startswith("LUA_"):
            assert their == our, f"{where}.{name} is {our!r}"
        assert our.__doc__ or not inspect.isfunction(our) or name.startswith("__"), f"{where}.{name} has no docstring"
        count += 1
    extra = {name for name in dir(ours) if not name.startswith("_")} - set(dir(theirs))
    extra -= {"extend", "LUA_EXTEND", "code"}
    assert not extra, f"{where} has {extra} too"
    return count


def compare_packages():
    count = 0
    modules = ["redis_lock", *(module.name for module in pkgutil.walk_packages(redis_lock.__path__, "redis_lock."))]
    for module in modules:
        theirs = importlib.import_module(module)
        ours = importlib.import_module(module.replace("redis_lock", "redislock.compat", 1))
        assert ours.__doc__, module
        count += 1
        assert set(getattr(theirs, "__all__", ())) <= set(ours.__all__), module
        for name, value in public(theirs).items():
            assert hasattr(ours, name), f"{module}.{name} is missing"
            count += compare(value, getattr(ours, name), f"{module}.{name}") if inspect.isclass(value) else 1
    assert count > 40, count
    print(f"redis-lock-py {redis_lock.__version__} with redis-py {redis.__version__}: {count} names in {len(modules)} "
          "modules, all there")


def main():
    code = "import redislock, redislock.asyncio, sys; assert 'redis' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0, "redislock itself wants redis-py"
    compare_packages()
    server = support.Server()
    try:
        run_programs(server)
    finally:
        server.stop()


main()
