# SPDX-License-Identifier: MIT
"""The checks over a history. Each yields what it found: a text, and the time around which to look."""
import bisect
import collections

MS = 1_000_000
HANDOFF = 1000 * MS         # the shortest hand-off lease
HANDOFF_MOST = 8000 * MS
POLL = HANDOFF // 2
# What a busy machine may add before anybody is to blame.
SLACK = 2000 * MS
AT_ONCE = 100 * MS
LONG_WAIT = 5000 * MS
# What may pass after a failover; and how many times somebody must be woken for that, one after the other.
RESUMED = 2000 * MS
STEPS = 20
MANY = 100
MOST_WAITERS = 200
WAITED = {"NOT_ACQUIRED", "INTERRUPTED", "CANCELLED"}
STATUSES = {"NOT_ACQUIRED", "INTERRUPTED", "CANCELLED", "TIMEOUT", "CONNECTION_REFUSED", "CONNECTION_LOST", "SERVER",
            "READ_ONLY", "NOT_ENOUGH_REPLICAS"}
WHERE_SERVERS_FAIL = {"SERVER", "READ_ONLY", "NOT_ENOUGH_REPLICAS"}
Found = collections.namedtuple("Found", "check time text")


def by_name(items):
    names = collections.defaultdict(list)
    for item in items:
        names[item.name].append(item)
    return names


def granted_before(hold, strike):
    """Whether the server may have granted it before it lost its data."""
    return hold.fence <= strike.wall_end if hold.fence else hold.asked <= strike.end


def excused(hold, until, losses):
    """Whether its data was lost between its grant and then: what the server forgets is unlocked."""
    return any(strike.concerns(hold.name) and granted_before(hold, strike) and strike.begin <= until for strike in losses)


def overlaps(history):
    """1: no two are sure to hold a name at one time."""
    losses = [strike for strike in history.strikes if strike.loses_data]
    for holds in by_name(history.holds).values():
        claims = sorted((claim[0], claim[1], index) for index, hold in enumerate(holds) for claim in hold.claims)
        last = None
        for begin, end, index in claims:
            hold = holds[index]
            if last and begin < last[1] and holds[last[2]] is not hold:
                other = holds[last[2]]
                if not excused(other, begin, losses) and not excused(hold, end, losses):
                    yield Found("overlap", begin, f"two hold one lock for {(min(last[1], end) - begin) / MS:.3f} ms:"
                                                  f"\n  {other}\n  {hold}")
            if not last or end > last[1]:
                last = (begin, end, index)


def fences(history):
    """2: no fence comes twice, and they rise in the order of the grants."""
    losses = [strike for strike in history.strikes if strike.loses_data]
    for holds in by_name(history.holds).values():
        fenced = sorted((hold for hold in holds if hold.fence), key=lambda hold: hold.fence)
        for one, other in zip(fenced, fenced[1:]):
            if one.fence == other.fence:
                yield Found("fence", other.got, f"one fence for two:\n  {one}\n  {other}")
            elif one.claims and other.claims and other.got < one.got and not excused(one, one.got, losses):
                yield Found("fence", one.got, f"the lower fence came later:\n  {one}\n  {other}")


def resource(history):
    """Whoever holds the lock can write."""
    losses = [strike for strike in history.strikes if strike.loses_data]
    for hold in history.holds:
        for time, accepted, fence, until in hold.writes:
            if not accepted and until > 0 and not excused(hold, until, losses):
                yield Found("resource", time, f"the resource had seen a higher fence than a holder's:\n  {hold}")


def early(history):
    """No hold ends before its time, unless the server lost it."""
    losses = [strike for strike in history.strikes if strike.loses_data]
    for hold in history.holds:
        if hold.ended_early and not excused(hold, hold.ended_early, losses):
            yield Found("early", hold.ended_early, f"told at {hold.ended_early} that it was over, but it was to last until "
                                                   f"{hold.known}:\n  {hold}")


class Times:
    """How long strikes lasted within a time, and how many began in it."""

    def __init__(self, strikes):
        self.strikes = sorted(strikes, key=lambda strike: strike.begin)
        self.begins = [strike.begin for strike in self.strikes]

    def within(self, begin, end):
        for strike in self.strikes[:bisect.bisect_right(self.begins, end)]:
            if strike.end >= begin:
                yield strike


PROCESS_STRIKES = {"kill", "stop"}


def allowance(times, begin, end, most_ttl):
    """How long a lock may be free: two polls, and for each bad client a hand-off lease; once what a dead holder leaves;
    and while the server or the network is away nothing can be expected."""
    hurt = list(times.within(begin - most_ttl - 2 * HANDOFF_MOST, end))
    near = [strike for strike in hurt if strike.end >= begin - most_ttl - HANDOFF]
    bad = len({strike.target for strike in near if strike.what in PROCESS_STRIKES})
    outage = sum(max(0, min(strike.end, end) - max(strike.begin, begin)) for strike in near
                 if strike.what not in PROCESS_STRIKES)
    # Whoever missed a hand-off asks for a longer one the next time. The dead don't.
    handoff = HANDOFF_MOST if any(strike.what != "kill" for strike in hurt) else HANDOFF
    others = any(strike.what not in PROCESS_STRIKES for strike in near)
    return 2 * POLL + SLACK + outage + (bad + others) * handoff + (most_ttl if near else 0)


def gaps(history):
    """3 and 4: a lock that somebody waits for is not free for long: neither after a release nor after a death. Yields
    (name, begin, end, allowed)."""
    times = Times(history.strikes)
    bad = {strike.target for strike in history.strikes if strike.what in PROCESS_STRIKES}
    most_ttl = max((hold.ttl for hold in history.holds), default=0)
    names, waits = by_name(history.holds), by_name(history.waits)
    for name in names.keys() | waits.keys():
        waiters = sorted([(hold.asked, hold.got) for hold in names[name] if hold.fence and hold.worker not in bad] +
                         [(wait.asked, wait.answered) for wait in waits[name]
                          if wait.status in WAITED and wait.wait > 0 and wait.worker not in bad])
        # Commands and others without a lease of their own say no more than that they have begun and ended.
        taken = sorted((hold.got, max(hold.answered, hold.released, hold.end() + hold.ttl // 50)) for hold in names[name])
        # In the end it is nobody's any more: as if one came after the last one who waited.
        taken.append((max((over for _, over in waiters), default=0), 0))
        free_from, at = 0, 0
        for got, over in taken:
            if got > free_from > 0:
                while at < len(waiters) and waiters[at][1] <= free_from:
                    at += 1
                # Somebody waited from before it was free; until he had it, or at least for so long.
                waited = max((until for asked, until in waiters[at:at + MOST_WAITERS] if asked <= free_from), default=0)
                if waited > free_from:
                    end = min(got, waited)
                    yield name, free_from, end, allowance(times, free_from, end, most_ttl)
            free_from = max(free_from, over)


def liveness(history):
    for name, begin, end, allowed in gaps(history):
        if end - begin > allowed:
            yield Found("liveness", begin, f"{name} was free for {(end - begin) / MS:.0f} ms, of which "
                                           f"{allowed / MS:.0f} ms are allowed, with somebody waiting")


def starvation(history):
    """Nobody waits in the queue for long while those who came later get the lock again and again; unless it was cut off for
    most of the time."""
    bad = {strike.target for strike in history.strikes if strike.what in PROCESS_STRIKES}
    names, times = by_name(history.holds), Times(history.strikes)
    for wait in history.waits:
        if wait.status != "NOT_ACQUIRED" or wait.spins or wait.worker in bad:
            continue
        disturbed = sum(min(strike.end, wait.answered) - max(strike.begin, wait.asked) + HANDOFF
                        for strike in times.within(wait.asked, wait.answered))
        if wait.answered - wait.asked - disturbed < LONG_WAIT:
            continue
        later = sum(hold.asked > wait.asked + LONG_WAIT // 2 and hold.got < wait.answered and bool(hold.ttl)
                    for hold in names[wait.name])
        if later > MANY:
            yield Found("starvation", wait.answered, f"{later} who came later had the lock before: {wait}")


def handoffs(history):
    """3: without faults a release hands the lock on at once. Of a busy machine only the half is asked for."""
    quiet = quiet_handoffs(history)
    if len(quiet) >= MANY and quiet[len(quiet) // 2] > AT_ONCE / MS:
        yield Found("handoff", 0, f"half of {len(quiet)} hand-overs took more than {quiet[len(quiet) // 2]:.1f} ms, with no "
                                  f"fault near")


def deadlines(history):
    """No wait lasts longer than told."""
    stops = collections.defaultdict(list)
    for strike in history.strikes:
        if strike.what in PROCESS_STRIKES:
            stops[strike.target].append(strike)
    for wait in history.waits:
        late = wait.answered - wait.asked - wait.wait - 100 * MS
        if wait.wait == 0:
            late -= 2000 * MS  # connecting, and an answer
        late -= sum(max(0, min(strike.end, wait.answered) - max(strike.begin, wait.asked)) for strike in stops[wait.worker])
        if late > SLACK:
            yield Found("deadline", wait.answered, f"{wait.worker} waited {late / MS:.0f} ms too long: {wait}")


def statuses(history):
    """Nobody is told what makes no sense here."""
    for wait in history.waits:
        if wait.status not in STATUSES:
            yield Found("status", wait.answered, f"{wait}")
    strikes = {strike.what for strike in history.strikes}
    for line in history.refused:
        yield Found("log", 0, line)
    if not strikes and any(wait.status in WHERE_SERVERS_FAIL for wait in history.waits):
        yield Found("status", 0, "a failure of the server without any fault")


def usage(history):
    """5: descriptors, threads and memory are as before."""
    for worker, told in history.usages.items():
        if "before" in told and "after" in told:
            before, after = told["before"], told["after"]
            if after[0] > before[0] or after[1] > before[1]:
                yield Found("leak", 0, f"{worker}: {before[0]} descriptors and {before[1]} threads before, {after[0]} and "
                                       f"{after[1]} after")
            if after[2] > before[2] + 32768:
                yield Found("leak", 0, f"{worker}: {before[2]} kB before, {after[2]} kB after")


def told(history):
    """Where two had one lock as its data was lost, one of them knows no later than a lease after all is well again, and by
    then can't release it: the one that had it of the former primary. If that is gone it is the first, a lease after the
    second got it. Of commands that is said by a signal, and not by the clock. A release whose connection broke may have
    been done before, and says so."""
    losses = [strike for strike in history.strikes if strike.loses_data]
    most_ttl = max((hold.ttl for hold in history.holds), default=0)

    def lease(hold):
        return most_ttl if hold.extended else hold.ttl

    def released_for_sure(hold):
        return hold.status == "OK" and not any(strike.begin < hold.answered and strike.end > hold.released - 100 * MS
                                               for strike in history.strikes if strike.what not in PROCESS_STRIKES)
    for holds in by_name(history.holds).values():
        fenced = sorted((hold for hold in holds if hold.fence), key=lambda hold: hold.fence)
        for one, other in zip(fenced, fenced[1:]):
            last = max(one.end(), one.released)
            if not one.ttl or not other.ttl or not other.claims or other.got >= last:
                continue
            lost = [strike for strike in losses if excused(one, last, [strike])]
            if not lost:
                continue
            over = max([other.got] + [strike.end for strike in lost if not strike.gone])
            pair = (one,) if all(strike.gone for strike in lost) else (one, other)
            if all(hold.end() > over + lease(hold) for hold in pair):
                yield Found("told", over, f"its lock was another's, and it wasn't told:\n  {one}\n  {other}")
            elif all(hold.released > over and released_for_sure(hold) for hold in pair):
                yield Found("told", over, f"it released what was another's:\n  {one}\n  {other}")


def over_at(hold):
    """When it was another's turn. What was lost with the data kept nobody waiting; what ran out did until then."""
    if hold.ended_early:
        return 0
    return hold.answered if hold.status == "OK" else max(hold.end(), hold.known) + hold.ttl // 50


def free_from(holds, first, elected):
    """When the last one before had it no more."""
    return max([elected] + [over_at(hold) for hold in holds if hold is not first and hold.got < first.got])


def resumptions(history):
    """What was waited for when another server became the primary, and how long it took from then on: yields (when that was,
    how long, what). Of those that wait for a lock the first that gets it, from when it is free; and each release."""
    names, waits = by_name(history.holds), by_name(history.waits)
    for strike in history.strikes:
        elected = strike.elected
        for name in names if elected else ():
            if not strike.concerns(name):
                continue
            holds = names[name]
            met = [hold for hold in holds if hold.asked < elected < max(hold.got, hold.answered) and hold.ttl]
            waited = [hold for hold in met if elected < hold.got]
            if waited:
                first = min(waited, key=lambda hold: hold.got)
                yield elected, max(0, first.got - free_from(holds, first, elected)), first
            elif failed := [wait for wait in waits[name] if wait.asked < elected < wait.answered and wait.wait and
                            wait.status in WAITED and not any(hold.got < wait.answered and max(
                                hold.answered, hold.end()) > elected for hold in holds)]:
                last = max(failed, key=lambda wait: wait.answered)
                yield elected, last.answered - elected, last
            for hold in met:
                if 0 < hold.released < elected:
                    yield elected, hold.answered - elected, hold


def lateness(history, begin, end):
    """How late somebody who sleeps was woken at the worst: what a busy machine does to all others as well."""
    return max((late for at, late in history.delays if begin - late <= at <= end), default=0)


def resumed(history, strict=False):
    """Nobody goes on waiting for a primary that was replaced. To the second that is only asked for where it is said so, and
    of a machine that lets others come when they should."""
    for elected, waited, what in resumptions(history):
        late = lateness(history, elected, elected + waited)
        most = RESUMED + STEPS * late if strict else LONG_WAIT + HANDOFF_MOST
        if waited > most:
            yield Found("resumed", elected, f"{waited / MS:.0f} ms after there was a new primary, with {late / MS:.0f} ms that "
                                            f"somebody who slept was late:\n  {what}")


ALL = (overlaps, fences, resource, early, told, liveness, starvation, handoffs, deadlines, statuses, usage)


def check(history, strict=False):
    return [found for one in ALL for found in one(history)] + list(resumed(history, strict))


def quiet_handoffs(history):
    """How long it takes from a release to the next one who waited for it, in ms, sorted, where no fault was near."""
    times = Times(history.strikes)
    found = []
    for holds in by_name(history.holds).values():
        holds = sorted((hold for hold in holds if hold.fence), key=lambda hold: hold.fence)
        for one, other in zip(holds, holds[1:]):
            waited = one.released and one.status == "OK" and other.asked < one.released and other.ttl
            if waited and not any(True for _ in times.within(one.released - HANDOFF_MOST, other.got)):
                found.append((other.got - one.released) / MS)
    return sorted(found)
