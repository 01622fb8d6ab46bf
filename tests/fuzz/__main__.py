"""Try the package with mutated texts: `python -m tests.fuzz [SECONDS] [TARGET...]`, or `make fuzz`.

A finding is kept below `.fuzz/`; `python -m tests.fuzz .fuzz/NAME.json` tries it again.
"""

from __future__ import annotations

import json
import logging
import random
import sys
import time
import traceback
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from tests.fuzz.targets import TARGETS, Target

KEPT = Path(".fuzz")
LONGEST = 1 << 15
SLOWEST = 1.0
"""Seconds of processor time for an input of up to 32 KiB; work that is linear takes far less."""
CORPUS = 1_000
ODD = list(
    "\0\t\n\r\f\x1b\x7f\x85 \"'\\/=:#$%&<>{}[]()`,;.-_0a\u00e9\u2028\ufeff\u202e\udc80\ud800"
)


@dataclass
class Finding:
    """An input that a target must not fail for, as short as was found."""

    target: str
    text: str
    trace: str

    def keep(self) -> Path:
        """Write it to a file that reproduces it."""
        KEPT.mkdir(exist_ok=True)
        path = KEPT / f"{self.target}-{sha256(ascii(self.text).encode()).hexdigest()[:8]}.json"
        path.write_text(json.dumps({"target": self.target, "text": self.text, "why": self.trace}))
        return path


@dataclass
class Run:
    """What a run over one target found."""

    inputs: int = 0
    seconds: float = 0.0
    found: dict[str, Finding] = field(default_factory=dict[str, Finding])
    corpus: int = 0


def mutated(text: str, corpus: list[str], tokens: list[str], rng: random.Random) -> str:
    """Return a text with a few changes."""
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        start = rng.randint(0, len(text))
        end = min(len(text), start + rng.choice((0, 1, 2, 4, 8, 30)))
        piece, way = text[start:end], rng.randrange(10)
        if way < 3:
            piece += rng.choice(tokens)
        elif way < 5:
            piece = rng.choice(tokens)
        elif way == 5:
            piece = ""
        elif way == 6:
            piece += rng.choice(ODD)
        elif way == 7:
            piece *= rng.choice((2, 2, 3, 70))
        elif way == 8:
            other = rng.choice(corpus)
            at = rng.randint(0, len(other))
            piece = other[at : at + rng.choice((4, 20, 200))]
        else:
            end = rng.randint(0, len(text))
            piece, start, end = text[start:end] + text[:start], 0, max(start, end)
        text = text[:start] + piece + text[end:]
    if not rng.randrange(1_000):  # what is not linear shows
        start = rng.randint(0, len(text))
        piece = text[start : start + rng.choice((1, 2, 10))] or rng.choice(ODD)
        text = text[:start] + piece * (LONGEST // 2 // len(piece)) + text[start:]
    return text[:LONGEST]


def problem(target: Target, text: str) -> tuple[str, str]:
    """Return where and how a target fails for a text, or an empty text and the outcome."""
    for _ in range(3):
        began = time.process_time()
        try:
            outcome = target.check(text)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__} {frame.name} {frame.line}", traceback.format_exc()
        if time.process_time() - began < SLOWEST:
            return "", outcome
    return "slow", f"{len(text)} characters take more than {SLOWEST} s"


def shortened(target: Target, text: str, where: str) -> str:
    """Return a shorter text that fails at the same place."""
    size, ends = len(text) // 2, time.monotonic() + 5
    while size and time.monotonic() < ends:
        at = 0
        while at < len(text) and time.monotonic() < ends:
            less = text[:at] + text[at + size :]
            if problem(target, less)[0] == where:
                text = less
            else:
                at += size
        size //= 2
    return text


def run(name: str, *, seed: int, seconds: float = 0.0, inputs: int = 0) -> Run:
    """Try one target for so many seconds, or with so many inputs, which are the same each time."""
    target, done, rng = TARGETS[name], Run(), random.Random(f"{name} {seed}")
    corpus, seen = list(target.seeds), set[str]()
    tokens = target.tokens
    began, least = time.monotonic(), max(len(corpus), inputs)
    while done.inputs < least or (not inputs and time.monotonic() - began < seconds):
        fresh = done.inputs < len(target.seeds)
        text = (
            target.seeds[done.inputs] if fresh else mutated(rng.choice(corpus), corpus, tokens, rng)
        )
        where, outcome = problem(target, text)
        done.inputs += 1
        if where and where not in done.found:
            text = shortened(target, text, where)
            done.found[where] = Finding(name, text, outcome)
        elif not where and outcome not in seen and len(corpus) < CORPUS and len(text) < 600:
            seen.add(outcome)
            corpus.append(text)
    done.seconds, done.corpus = time.monotonic() - began, len(corpus)
    return done


def main(arguments: list[str]) -> int:
    """Run what the command line names; return 1 if anything was found."""
    if arguments and arguments[0].endswith(".json"):
        case = json.loads(Path(arguments[0]).read_text())
        where, outcome = problem(TARGETS[case["target"]], case["text"])
        print(outcome)
        return 1 if where else 0
    logging.getLogger("dotenv").setLevel(logging.ERROR)  # it warns of each line that is wrong
    seconds = float(arguments[0]) if arguments else 3_600.0
    names, seed = arguments[1:] or list(TARGETS), time.time_ns() % 1_000_000
    print(f"{'target':20} {'inputs':>10} {'inputs/s':>9} {'corpus':>7} findings   (seed {seed})")
    total, bad = 0, 0
    for name in names:
        done = run(name, seed=seed, seconds=seconds / len(names))
        total, bad = total + done.inputs, bad + len(done.found)
        rate = done.inputs / done.seconds
        row = f"{name:20} {done.inputs:10,} {rate:9,.0f} {done.corpus:7,} {len(done.found)}"
        print(row, flush=True)
        for where, finding in done.found.items():
            print(f"  {finding.keep()}: {where}", flush=True)
    print(f"{'all':20} {total:10,} inputs, {bad} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
