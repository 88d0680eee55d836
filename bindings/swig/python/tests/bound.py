# SPDX-License-Identifier: MIT
"""Whether the package is complete: bound.py HEADER FOLDER

Every public function of the header is bound under a name in Python, or left out for a reason; no entry is out of date;
the stub tells of the raw module what it has; whatever is public has a docstring; what documents show can be compiled.
"""

import ast
import inspect
import pathlib
import re
import sys
import tomllib

import redislock
import redislock._redislock as raw
import redislock.asyncio

header = pathlib.Path(sys.argv[1]).read_text()
folder = pathlib.Path(sys.argv[2])

# Where each is in Python: a path in the package. A name in brackets is an option.
bound = {
    "version_number": "version_number",
    "version_string": "version",
    "has": "has",
    "strerror": "RedisLockError",
    "error_name": "RedisLockError.code",
    "client_new": "Client",
    "client_new_eventloop": "asyncio.Client",
    "url_error": "Client",
    "client_free": "Client.close",
    "client_set_connect_timeout_ms": "Client(connect_timeout)",
    "client_set_min_replicas": "Client(min_replicas)",
    "client_set_command_timeout_ms": "Client(command_timeout)",
    "client_set_name": "Client(name)",
    "client_set_credentials": "Client.set_credentials",
    "client_set_tls_unverified": "Client(tls_verify)",
    "client_connect": "Client.connect",
    "client_ping": "Client.ping",
    "client_interrupt": "Client.close",
    "client_lost_fd": "Client.lost_fd",
    "client_error": "RedisLockError",
    "client_break": "Client.break_lock",
    "lock_new": "Client.lock",
    "lock_free": "Client.close",
    "lock_set_ttl_ms": "Client.lock(ttl)",
    "lock_set_renewal": "Client.lock(renew)",
    "lock_set_wait_ms": "Client.lock(blocking_timeout)",
    "lock_set_spin_interval_ms": "Client.spin_lock(interval)",
    "lock_set_spin_growth": "Client.spin_lock(growth)",
    "lock_set_owner": "Client.lock(owner)",
    "lock_set_token": "Client.lock(token)",
    "lock_acquire": "Lock.acquire",
    "lock_cancel": "Lock.acquire",
    "lock_interrupt": "Lock.acquire",
    "lock_release": "Lock.release",
    "lock_extend": "Lock.extend",
    "lock_is_held": "Lock.held",
    "lock_remaining_ms": "Lock.remaining",
    "lock_fence": "Lock.fence",
    "lock_token": "Lock.token",
    "lock_place": "Lock.place",
    "lock_error": "RedisLockError",
    "client_fd": "asyncio.Client",
    "client_dispatch": "asyncio.Client",
    "client_next_event": "asyncio.Client",
    "event_type": "asyncio.Client",
    "event_status": "asyncio.Client",
    "event_tag": "asyncio.Client",
    "event_take_info": "asyncio.Client.status",
    "lock_start_acquire": "asyncio.Lock.acquire",
    "lock_start_release": "asyncio.Lock.release",
    "lock_start_extend": "asyncio.Lock.extend",
    "client_start_ping": "asyncio.Client.ping",
    "client_start_info": "asyncio.Client.status",
    "client_start_break": "asyncio.Client.break_lock",
    "info_get": "Client.status",
    "info_free": "Client.status",
    "info_locked": "Status.locked",
    "info_token": "Status.token",
    "info_owner": "Status.owner",
    "info_remaining_ms": "Status.remaining",
    "info_waiters": "Status.waiters",
    "info_fence": "Status.fence",
    "list_new": "Client.list",
    "list_next": "Client.list",
    "list_free": "Client.list",
    "quorum_new": "Quorum",
    "quorum_add_server": "Quorum",
    "quorum_free": "Quorum.close",
    "quorum_set_server_timeout_ms": "Quorum(server_timeout)",
    "quorum_interrupt": "Quorum.close",
    "quorum_lost_fd": "Quorum.lost_fd",
    "quorum_lock_new": "Quorum.lock",
    "quorum_lock_free": "Quorum.close",
    "quorum_lock_set_ttl_ms": "Quorum.lock(ttl)",
    "quorum_lock_set_renewal": "Quorum.lock(renew)",
    "quorum_lock_set_wait_ms": "Quorum.lock(blocking_timeout)",
    "quorum_lock_set_spin_interval_ms": "Quorum.lock(interval)",
    "quorum_lock_set_owner": "Quorum.lock(owner)",
    "quorum_lock_acquire": "QuorumLock.acquire",
    "quorum_lock_interrupt": "QuorumLock.acquire",
    "quorum_lock_release": "QuorumLock.release",
    "quorum_lock_extend": "QuorumLock.extend",
    "quorum_lock_is_held": "QuorumLock.held",
    "quorum_lock_remaining_ms": "QuorumLock.remaining",
    "quorum_lock_agreed": "QuorumLock.agreed",
    "quorum_lock_token": "QuorumLock.token",
    "quorum_lock_error": "RedisLockError",
}

left_out = {
    "client_set_tls_authorities": "the URL says it",
    "client_set_tls_certificate": "the URL says it",
    "client_set_sentinel_credentials": "the URL says it",
    "client_set_tls_server_name": "the URL says it",
    "client_set_interruptible": "signals are told by Python's wake-up descriptor: see interrupt.c",
    "client_timeout_ms": "asyncio polls the descriptor, which is readable by then",
    "lock_name": "the lock keeps what it was made with: Lock.name",
    "lock_channel": "it is the name with a prefix: Lock.channel",
    "event_lock": "the tag tells whose event it is",
    "event_quorum_lock": "the tag would tell it",
    "quorum_set_interruptible": "signals are told by Python's wake-up descriptor: see interrupt.c",
    "quorum_lock_name": "the lock keeps what it was made with: QuorumLock.name",
    **dict.fromkeys((
        "quorum_new_eventloop", "quorum_fd", "quorum_timeout_ms", "quorum_dispatch", "quorum_next_event",
        "quorum_lock_start_acquire", "quorum_lock_start_release", "quorum_lock_start_extend", "quorum_lock_cancel",
    ), "many masters have no face in asyncio yet: a thread may wait"),
}

# What asyncio's client hasn't, and why.
blocking_only = {
    "Client.list": "there is no walk in the event-loop form",
    "Client.lost_fd": "that is lock(on_lost)",
}

complaints = []


def complain(text):
    complaints.append(text)
    print(text)


# ---- functions ----

declared = set(re.findall(r"^[a-z][^\n(]*[ *]redislock_([a-z0-9_]+)\(", header, re.M))
assert len(declared) > 60, f"the header was misread: {len(declared)}"

# What the code names, by whichever alias; what SWIG's files call for it; and what destructors do.
code = {path: path.read_text() for path in folder.glob("redislock/*.py")}
used = {node.attr for text in code.values() for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("raw", "_raw")}
native = "".join(re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.S)
                 for path in (folder / "interrupt.c", folder / "../redislock.i"))
used |= set(re.findall(r"\bredislock_([a-z0-9_]+)\(", native))
used |= {name for name in declared if re.search(rf"%handle\(redislock_{name.removesuffix('_free')},", native)}

for name in sorted(declared):
    if name in bound and name in left_out:
        complain(f"{name}: bound and left out")
    elif name in bound and name not in used:
        complain(f"{name}: bound as {bound[name]}, but nowhere used")
    elif name in left_out and name in used:
        complain(f"{name}: left out, but used")
    elif name not in bound and name not in left_out:
        complain(f"{name}: neither bound nor left out")
for name in sorted({*bound, *left_out} - declared):
    complain(f"{name}: no function of the header any more")


def find(path):
    """What a path in the package leads to; an option must be one of its parameters."""
    path, _, option = path.rstrip(")").partition("(")
    thing = redislock
    for part in path.split("."):
        thing = getattr(thing, part)
    if option and option not in inspect.signature(thing).parameters:
        raise AttributeError(f"no option {option}")
    return thing


for name, path in bound.items():
    try:
        find(path)
    except AttributeError as error:
        complain(f"{name}: there is no {path}: {error}")

# ---- both forms ----

for kind in ("Client", "Lock", "SpinLock"):
    for name, thing in inspect.getmembers(getattr(redislock, kind)):
        path = f"{kind}.{name}"
        if name.startswith("_"):
            continue
        twin = getattr(getattr(redislock.asyncio, kind), name, None)
        if (twin is None) != (path in blocking_only):
            complain(f"{path}: {'left out of asyncio, but there' if twin else 'not in asyncio'}")
        elif twin is not None and callable(thing):
            ours, theirs = (set(inspect.signature(one).parameters) for one in (thing, twin))
            if ours != theirs - {"on_lost"}:
                complain(f"{path}: other options in asyncio: {ours ^ theirs}")

# ---- the stub ----

stub = ast.parse((folder / "redislock/_redislock.pyi").read_text())
told = {node.target.id if isinstance(node, ast.AnnAssign) else node.name for node in stub.body
        if isinstance(node, (ast.AnnAssign, ast.FunctionDef, ast.ClassDef))}
there = {name for name in dir(raw) if not name.startswith(("_", "SWIG", "Swig"))}
for name in sorted(told ^ there):
    complain(f"_redislock.pyi: {name} is {'not in the module' if name in told else 'missing'}")
for node in stub.body:
    if isinstance(node, ast.FunctionDef) and node.name in declared:
        parameters = re.search(rf"^[a-z][^\n(]*\bredislock_{node.name}\(([^)]*)\)", header, re.M | re.S)[1]
        given = re.sub(r"(const void|const char) \*(name|token|owner), size_t \2_length", r"\2", parameters)
        given = [part for part in given.split(",") if part != "void" and "**" not in part and
                 not re.search(r"char \*(text|token)$|size_t (size|\*length)$", part.strip())]
        if len(given) != len(node.args.posonlyargs) + len(node.args.args):
            complain(f"_redislock.pyi: {node.name} takes {len(given)} arguments: {given}")

# ---- docstrings ----

for module in (redislock, redislock.asyncio):
    for name in module.__all__:
        thing = getattr(module, name)
        if not isinstance(thing, (int, str)) and not inspect.getdoc(thing):
            complain(f"{module.__name__}.{name}: no docstring")
        for member, value in inspect.getmembers(thing) if isinstance(thing, type) else ():
            own = inspect.isfunction(value) and value.__module__.startswith("redislock") or isinstance(value, property)
            if own and not member.startswith("_") and not inspect.getdoc(value):
                complain(f"{module.__name__}.{name}.{member}: no docstring")

# ---- documents ----

shown = 0
for path in (folder / "README.md", folder / "../../../README.md"):
    for text in re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S):
        shown += 1
        try:
            compile(text, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        except SyntaxError as error:
            complain(f"{path}: {error}")
assert shown > 1, "the documents were misread"
readme = (folder / "README.md").read_text()
for name in redislock.__all__:
    if isinstance(getattr(redislock, name), type) and f"`{name}`" not in readme:
        complain(f"README.md: nothing of {name}")

project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
if project["version"] != redislock.version:
    complain(f"pyproject.toml is for {project['version']}, the library is {redislock.version}")

print(f"{len(declared)} functions: {len(declared) - len(left_out)} bound, {len(left_out)} left out on purpose")
sys.exit(bool(complaints))
