# SPDX-License-Identifier: MIT
"""Takes and releases a Pub/Sub lock in all the ways there are."""
import sys

import redis
from redis_lock import RedisLock
from redis_lock.exceptions import LockNotOwnedError, RedisLockError

client = redis.Redis(unix_socket_path=sys.argv[1])

lock = RedisLock(client, "plain")
print(lock.name, lock.channel_name, type(lock.token), len(lock.token), lock.token.isalnum(), lock.token.islower())
token = lock.token
print(lock.acquire(), client.get("plain") == token == lock.token)
print(lock.release(), client.exists("plain"))
try:
    lock.release()
except LockNotOwnedError as error:
    print("released twice:", type(error).__name__, isinstance(error, RedisLockError), bool(str(error)))
print("again:", lock.acquire(), client.get("plain") == lock.token, lock.release())

one, other = RedisLock(client, "two", 60), RedisLock(client, "two", 0.2)
print(one.token != other.token, one.acquire(), other.acquire(pubsub_timeout=0.1, delay_interval=0.1))
print(client.get("two") == one.token)
try:
    other.release()
except LockNotOwnedError:
    print("not the other's:", client.exists("two"))
print(one.release(), other.acquire(), client.get("two") == other.token, other.release(), client.exists("two"))

early = RedisLock(client, name="early", blocking_timeout=0.2)
print(early.acquire(0.1, 0.1), early.acquire(0.1, 0.1), early.release(), early.acquire(), early.release())

lock = RedisLock(client, b"bytes \xc3\xa4")
print(lock.name, lock.channel_name, lock.acquire(), client.exists("bytes ä"), lock.release())
lock = RedisLock(client, "name ä\x00 with {tags} and\nlines")
print(lock.acquire(), client.get("name ä\x00 with {tags} and\nlines") == lock.token, lock.release())

decoding = redis.Redis(unix_socket_path=sys.argv[1], decode_responses=True)
lock = RedisLock(decoding, "decoded")
print(lock.acquire(), decoding.get("decoded") == lock.token.decode(), lock.release())

latin = redis.Redis(unix_socket_path=sys.argv[1], encoding="latin-1")
lock = RedisLock(latin, "lätin")
print(lock.acquire(), client.exists(b"l\xe4tin"), lock.release())

unrelated = RedisLock(client, "broken")
print(unrelated.acquire(), client.set("broken", "somebody else"))
try:
    unrelated.release()
except LockNotOwnedError:
    print("not owned:", client.get("broken"))
