# SPDX-License-Identifier: MIT
"""The network of a campaign with several servers: see switch.c."""
import os
import re
import subprocess

from server import program

FIRST_ADDRESS, SERVERS, CLIENTS = 100, 1, 2


def tells_sources():
    """Whether a server can be told whose address to talk from: Redis since 7.0."""
    told = subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"v=(\d+)", told)[1]) >= 7


class Switch:
    def __init__(self, programs):
        self.process = subprocess.Popen([os.path.join(programs, "faults-switch")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.tells_sources = tells_sources()

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def pass_to(self, number, port):
        """The port by which others know it."""
        return self.tell("pass", number, port)

    def source(self, number):
        """Arguments of a server whose connections are to be known."""
        return ["--bind-source-addr", f"127.0.0.{FIRST_ADDRESS + number}"] if self.tells_sources else []

    def cut(self, number, whom):
        """A server, from the other servers, from clients, or from both. Where nobody knows who is who, from all."""
        self.tell("cut", number, whom if self.tells_sources else SERVERS | CLIENTS)

    def heal(self):
        self.tell("heal")

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
