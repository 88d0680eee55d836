# SPDX-License-Identifier: MIT
"""Everybody contends for one name: interoperation.py URL ROUNDS [TITLE=COMMAND]...

Each command is a contender as in contend.c, whose holds must overlap with nobody's; and where there are fences, they
rise. A hold is counted from when its holder knew of it until it began to give it up.
"""
import shlex
import subprocess
import sys

PATIENCE = 240


def start(command, url_or_socket, rounds):
    return subprocess.Popen([*shlex.split(command), url_or_socket, "contended", str(rounds)], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)


def overlaps(holds):
    """Pairs of holds, in the order of their beginnings, of which the second began before the first was given up."""
    found, last = [], None
    for hold in sorted(holds):
        if last and hold[0] < last[1]:
            found.append((last, hold))
        if not last or hold[1] > last[1]:
            last = hold
    return found


def check(holds):
    assert not overlaps(holds), f"two were inside: {overlaps(holds)[:3]}"
    fences = [(fence, title) for _, _, fence, title in sorted(holds) if fence is not None]
    for (earlier, one), (later, other) in zip(fences, fences[1:]):
        assert earlier < later, f"the fence {earlier} of {one} came before {later} of {other}"


def check_the_check():
    """What finds nothing must be able to find something."""
    good = [(0, 2, 1, "a"), (2, 3, 2, "b"), (5, 9, None, "c")]
    check(good)
    for bad in ([*good, (6, 7, 3, "d")], [*good, (1, 2, 3, "d")], [*good, (10, 11, 2, "d")], [(0, 9, 1, "a"), (1, 2, 2, "b"),
                                                                                               (3, 4, 3, "c")]):
        try:
            check(bad)
        except AssertionError:
            continue
        raise SystemExit(f"nothing was found in {bad}")


def main():
    url, rounds = sys.argv[1], int(sys.argv[2])
    check_the_check()
    contenders = {}
    for argument in sys.argv[3:]:
        title, command = argument.split("=", 1)
        foreign = title.startswith("redis-lock-py")
        contenders[title] = start(command, url.removeprefix("unix://") if foreign else url, rounds)
    for title, process in contenders.items():
        assert process.stdout.readline() == "ready\n", f"{title} is not ready"
    for process in contenders.values():
        process.stdin.write("go\n")
        process.stdin.flush()
    holds = []
    for title, process in contenders.items():
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, f"{title} ended with {process.returncode}"
        lines = [line.split() for line in output.splitlines()]
        assert len(lines) == rounds, f"{title} held {len(lines)} times"
        holds += [(int(acquired), int(released), None if fence == "-" else int(fence), title)
                  for acquired, released, fence in lines]
    check(holds)
    titles = [title for *_, title in sorted(holds)]
    changes = sum(one != other for one, other in zip(titles, titles[1:]))
    assert changes >= 2 * len(contenders), f"only {changes} times another one's turn: that was no contention"
    print(f"{len(holds)} holds of {len(contenders)} contenders, never two inside, {changes} times another one's turn: "
          f"{', '.join(contenders)}")


main()
