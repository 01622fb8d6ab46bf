"""Ten thousand processes over a day, simulated: how often the store is read, and what calls fail.

`ours` runs the pure policy of the cache, the same functions that a process runs. The others are
written down here: a cache of 300 s as services write it by hand, and botocore's rules for
credentials that are refreshed 15 minutes before their end.
"""

from __future__ import annotations

import heapq
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import show
from vectorshift import Credential, CredentialStoreUnavailableError
from vectorshift.cache.policy import (
    Policy,
    State,
    after_refresh,
    after_rejection,
    passed,
    reread_pause,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROCESSES = int(os.environ.get("FLEET", "10000"))
PER_NODE = 50
HOUR, DAY = 3600.0, 86_400.0
DEPLOY = 60.0  # seconds in which all of them start
ROTATION = 6 * HOUR  # the new key is written, and the old one revoked in the same moment
OUTAGE, OUTAGE_ENDS = 12 * HOUR, 13 * HOUR
LATENCY = 0.02
AGENT_TTL = 300.0
POLICY = Policy(ttl=300.0, max_stale=DAY)
PLOT = Path(__file__).parents[1] / "docs" / "screens" / "fleet.svg"

OLD, NEW = (
    Credential(secret=f"vs-{age}", source="vault:fleet", provider="vault") for age in ("old", "new")
)
DOWN = CredentialStoreUnavailableError("down", source="vault:fleet", provider="vault")


@dataclass
class Day:
    """The reads of a store in a day, by second, and the seconds for which calls failed."""

    reads: Counter[int] = field(default_factory=Counter[int])
    attempts: Counter[int] = field(default_factory=Counter[int])
    failing: float = 0.0

    def read(self, at: float, rejected: Credential | None = None) -> Credential | None:
        """Count a read, and return the key, or None while the store is down."""
        if OUTAGE <= at < OUTAGE_ENDS:
            self.attempts[int(at)] += 1
            return None
        self.reads[int(at)] += 1
        return NEW if at >= ROTATION else OLD


class Agent:
    """An agent that one node shares: it keeps an answer for 300 s, and asks the store for one that
    the API refused, as the Secrets Manager Agent does with `refreshNow`.
    """

    def __init__(self, day: Day) -> None:
        self._day = day
        self._key: Credential | None = None
        self._until = 0.0

    def read(self, at: float, rejected: Credential | None = None) -> Credential | None:
        if self._key is not None and at < self._until and rejected is None:
            return self._key
        found = self._day.read(at)
        if found is not None:
            self._key, self._until = found, at + AGENT_TTL
        return found


def ours(
    rate: float,
    read: Callable[[float, Credential | None], Credential | None],
    day: Day,
    seed: int,
) -> Iterator[float]:
    """Run one process, and yield the time of each contact before it is made."""
    rng = random.Random(seed)
    at, state = rng.uniform(0, DEPLOY), State()
    while True:
        rejected, began = None, at
        if at >= ROTATION and state.credential is OLD:
            state = after_rejection(state, OLD, now=(at, at))
            at += reread_pause(state, (at, at), load_timeout=10.0, jitter=rng.random())
            rejected = OLD
        yield at
        answer = read(at, rejected)
        at += LATENCY
        state = after_refresh(
            state,
            DOWN if answer is None else answer,
            began=(began, began),
            now=(at, at),
            policy=POLICY,
            jitter=rng.random(),
        )
        due = state.fresh_until[0] if state.failure is None else state.retry_at[0]
        if state.credential is OLD:  # the next call after the revocation is refused
            due = max(at, min(due, ROTATION))
        is_good = state.credential is NEW or (state.credential is OLD and at < ROTATION)
        if not is_good or passed(state.usable_until, (at, at)):
            day.failing += due - at
        at = due + rng.expovariate(rate)


def by_hand(rate: float, day: Day, seed: int) -> None:
    """Run a process that keeps a key for 300 s, and reads it anew at the next call."""
    rng = random.Random(seed)
    at, key = rng.uniform(0, DEPLOY), OLD
    while at < DAY:
        found = day.read(at)
        if found is None:  # the call fails, and the next one reads again
            for second in range(int(at), int(OUTAGE_ENDS)):
                day.attempts[second] += _often(rng, rate)
            day.failing += OUTAGE_ENDS - at
            at = OUTAGE_ENDS + rng.expovariate(rate)
            continue
        if key is OLD and found is NEW:
            day.failing += at - max(ROTATION, at - 300 - 1 / rate)
        key = found
        at += 300 + rng.expovariate(rate)


def botocore(rate: float, day: Day, seed: int) -> None:
    """Run a process by botocore's rules: a key that lasts an hour is read anew at the first call in
    its last 15 minutes. If that fails, each call tries again until it ends.
    """
    rng = random.Random(seed)
    at, key, ends = rng.uniform(0, DEPLOY), OLD, 0.0
    while at < DAY:
        found = day.read(at)
        if found is None:
            for second in range(int(at), int(OUTAGE_ENDS)):
                day.attempts[second] += _often(rng, rate)
            day.failing += max(0.0, OUTAGE_ENDS - max(at, ends))
            at = OUTAGE_ENDS + rng.expovariate(rate)
            continue
        if key is OLD and found is NEW:
            day.failing += at - ROTATION
        key, ends = found, at + HOUR
        at += 45 * 60 + rng.expovariate(rate)


def _often(rng: random.Random, rate: float) -> int:
    """Return how many calls a second has."""
    count, passed = 0, rng.expovariate(rate)
    while passed < 1:
        count, passed = count + 1, passed + rng.expovariate(rate)
    return count


def directly(rate: float) -> Day:
    day = Day()
    for seed in range(PROCESSES):
        for at in ours(rate, day.read, day, seed):
            if at >= DAY:
                break
    return day


def through_agents(rate: float) -> Day:
    day = Day()
    for node in range(0, PROCESSES, PER_NODE):
        agent = Agent(day)
        runs = [ours(rate, agent.read, day, seed) for seed in range(node, node + PER_NODE)]
        queue = [(next(run), number) for number, run in enumerate(runs)]
        heapq.heapify(queue)
        while queue[0][0] < DAY:
            _, number = queue[0]
            heapq.heapreplace(queue, (next(runs[number]), number))
    return day


def each_alone(process: Callable[[float, Day, int], None], rate: float) -> Day:
    day = Day()
    for seed in range(PROCESSES):
        process(rate, day, seed)
    return day


def fleet() -> None:
    """Print the figures and write the plot."""
    days = {
        "vectorshift": directly(1.0),
        "vectorshift, an agent for 50 processes": through_agents(1.0),
        "300 s by hand": each_alone(by_hand, 1.0),
        "botocore's rules": each_alone(botocore, 1.0),
    }
    spans = {
        "deploy": (0, 3600),
        "steady": (4 * HOUR, ROTATION),
        "rotation": (ROTATION, ROTATION + 600),
        "outage": (OUTAGE, OUTAGE_ENDS),
        "its end": (OUTAGE_ENDS, OUTAGE_ENDS + 600),
    }
    rows = []
    for name, day in days.items():
        peaks = [
            _peak(day.attempts if span == "outage" else day.reads, *spans[span]) for span in spans
        ]
        failed = day.failing / PROCESSES
        mean = sum(day.reads[each] for each in range(int(4 * HOUR), int(ROTATION))) / (2 * HOUR)
        rows.append((name, f"{mean:.1f}", *(f"{peak:,}" for peak in peaks), f"{failed:,.0f}"))
    show(
        f"{PROCESSES:,} processes over a day, one call a second each",
        ("most reads in a second", "mean", *spans, "s of failed calls"),
        rows,
        "At 6 h a new key is written and the old one revoked in the same moment. From 12 h to 13 h"
        " the store is down. The last column is a mean of all processes.",
    )
    busy = [
        after_a_revocation(rate, spread=spread)
        for rate in (0.1, 1.0, 10.0, 100.0)
        for spread in (False, True)
    ]
    show(
        "Reads of the store after a revocation, by how often a process calls",
        (
            "calls a second",
            "most in a second",
            "most in 0.1 s",
            "s until all have it",
            "s that one waits",
        ),
        busy,
    )
    if PROCESSES >= 1000:
        PLOT.write_text(plot(days), "utf-8")
        print(f"\nThe plot is in {PLOT}.")


def after_a_revocation(rate: float, *, spread: bool) -> tuple[str, ...]:
    """Return when the reads of a revocation come, without the rest of the day."""
    held = State(credential=OLD, rejected_at=(HOUR, HOUR), since=(0.0, 0.0))
    tenths: Counter[int] = Counter()
    waits = 0.0
    for seed in range(PROCESSES):
        rng = random.Random(seed)
        at = rng.expovariate(rate)
        if spread:
            pause = reread_pause(held, (HOUR, HOUR), load_timeout=10.0, jitter=rng.random())
            waits, at = waits + pause, at + pause
        tenths[int(at * 10)] += 1
    seconds: Counter[int] = Counter()
    for tenth, count in tenths.items():
        seconds[tenth // 10] += count
    return (
        f"{rate:g}{'' if spread else ', at once'}",
        f"{max(seconds.values()):,}",
        f"{max(tenths.values()):,}",
        f"{max(tenths) / 10:.1f}",
        f"{waits / PROCESSES:.1f}",
    )


def _peak(counts: Counter[int], begin: float, end: float) -> int:
    return max((counts[second] for second in range(int(begin), int(end))), default=0)


# --- The plot ---

_WIDTH, _HEIGHT, _LEFT, _TOP = 760, 260, 60, 20
_INK = ("#00796b", "#26c6da", "#d84315", "#5e35b1")


def plot(days: dict[str, Day]) -> str:
    """Return an SVG: contacts a second, the most in each two minutes, on a logarithmic scale."""
    from math import log10

    def x(second: float) -> float:
        return _LEFT + second / DAY * _WIDTH

    def y(count: float) -> float:
        return _TOP + _HEIGHT * (1 - log10(max(count, 1)) / 5)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH + 80} {_HEIGHT + 150}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH + 80}" height="{_HEIGHT + 150}" fill="white"/>',
    ]
    for power in range(6):
        at = y(10**power)
        parts.append(f'<path d="M{_LEFT} {at:.0f}h{_WIDTH}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{_LEFT - 6}" y="{at + 4:.0f}" text-anchor="end">{10**power:,}</text>'
        )
    parts += [
        f'<text x="{x(hour * HOUR):.0f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle">'
        f"{hour} h</text>"
        for hour in range(0, 25, 3)
    ]
    for second, text in ((ROTATION, "key revoked"), (OUTAGE, "store down"), (OUTAGE_ENDS, "up")):
        parts.append(
            f'<path d="M{x(second):.1f} {_TOP}v{_HEIGHT}" stroke="#999" stroke-dasharray="3"/>'
        )
        parts.append(f'<text x="{x(second) + 3:.1f}" y="{_TOP + 10}" fill="#555">{text}</text>')
    for row, ((name, day), ink) in enumerate(zip(days.items(), _INK, strict=True)):
        points = [
            (begin, max(day.reads[each] + day.attempts[each] for each in range(begin, begin + 120)))
            for begin in range(0, int(DAY), 120)
        ]
        line = " ".join(f"{x(begin):.1f},{y(count):.1f}" for begin, count in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="1.2"/>')
        at = _TOP + _HEIGHT + 40 + 18 * row
        parts.append(f'<path d="M{_LEFT} {at - 4}h24" stroke="{ink}" stroke-width="3"/>')
        parts.append(f'<text x="{_LEFT + 32}" y="{at}">{name}</text>')
    parts.append("</svg>\n")
    return "\n".join(parts)
