# SPDX-License-Identifier: MIT
"""The examples do what they say."""

import pathlib
import subprocess
import sys

import support

import redislock

EXAMPLES = pathlib.Path(__file__).resolve().parent.parent / "examples"


class Examples(support.Case):
    def play(self, name, good=True):
        done = subprocess.run([sys.executable, EXAMPLES / name, self.server.url], capture_output=True, text=True,
                              timeout=support.PATIENCE)
        self.assertEqual(done.returncode == 0, good, done.stderr)
        return done.stdout + done.stderr

    def test_blocking(self):
        self.assertRegex(self.play("blocking.py"), r"^holding 'example' with fence \d+ for \d+ s and more\n$")
        with redislock.Client(self.server.url).lock("example", owner="me"):
            self.assertEqual(self.play("blocking.py", False), "it is held by me, and 0 wait\n")

    def test_tasks(self):
        lines = self.play("tasks.py").splitlines()
        self.assertEqual(len(lines), 6)
        self.assertEqual([line[:6] for line in lines if line.startswith("task")], [f"task {i}" for i in range(5)])

    def test_all_are_played(self):
        self.assertEqual({path.name for path in EXAMPLES.glob("*.py")}, {"blocking.py", "tasks.py"})


if __name__ == "__main__":
    support.main()
