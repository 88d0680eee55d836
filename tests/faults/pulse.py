# SPDX-License-Identifier: MIT
"""How busy the machine is: by how much later than it wanted somebody is woken who sleeps for a moment again and again."""
import os
import threading
import time

from nemesis import now

SLEEP_NS, WORTH_NOTING_NS = 10_000_000, 5_000_000


class Pulse:
    def __init__(self, folder):
        self.file = open(os.path.join(folder, "delays"), "w", encoding="ascii")
        self.ending = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending:
            begin = now()
            time.sleep(SLEEP_NS / 1e9)
            late = now() - begin - SLEEP_NS
            if late > WORTH_NOTING_NS:
                self.file.write(f"{begin} {late}\n")

    def end(self):
        self.ending = True
        self.thread.join()
        self.file.close()
