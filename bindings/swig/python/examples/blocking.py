#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""One at a time, however many of these run: blocking.py [URL]"""

import sys

import redislock

client = redislock.Client(sys.argv[1] if len(sys.argv) > 1 else None)
try:
    with client.lock("example", blocking_timeout=2, owner="an example") as lock:
        print(f"holding {lock.name!r} with fence {lock.fence} for {lock.remaining:.0f} s and more")
except redislock.AcquireFailedError:
    status = client.status("example")
    sys.exit(f"it is held by {status.owner or status.token or 'somebody'}, and {status.waiters} wait")
