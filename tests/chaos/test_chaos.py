"""Everything at once: elections, throttling, a bad network, clock jumps, forks and rotations, under
threads and tasks. `make chaos` runs it for CHAOS_SECONDS and draws `.chaos/plot.svg`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.chaos.network import Network
from tests.chaos.oracle import MAX_STALE, RECOVERY, Call, Fault, Oracle
from tests.chaos.plot import plot
from tests.e2e.stage import environment, wait_until

from vectorshift import AsyncVectorShift, Pipeline, ProviderChain, Settings, VectorShift
from vectorshift.providers import AwsSecretsManagerProvider, VaultProvider
from vectorshift.testing import MotoServer, OpenBaoCluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = float(os.environ.get("CHAOS_SECONDS", "3600"))
THREADS = int(os.environ.get("CHAOS_THREADS", "64"))
TASKS = int(os.environ.get("CHAOS_TASKS", "500"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
KEPT = Path(__file__).parents[2] / ".chaos"
PLACES = ("vault", "aws", "file")
TTL, LOAD_TIMEOUT = 2.0, 20.0
EVERY = 2.0
MODES = {
    "api": ("cut", "delay", "corrupt"),
    "vault": ("cut", "delay", "corrupt", "hang"),
    "aws": ("cut", "delay", "corrupt", "throttle", "hang"),
}


class JumpingClock:
    """The machine's clocks, moved by hand on top."""

    def __init__(self) -> None:
        self.ahead = self.wall_ahead = 0.0

    def time(self) -> float:
        """Return the wall clock."""
        return time.time() + self.wall_ahead

    def monotonic(self) -> float:
        """Return the monotonic clock."""
        return time.monotonic() + self.ahead


class Campaign:
    """The process under test, and what befalls it."""

    def __init__(self, bao: OpenBaoCluster, moto: MotoServer, network: Network) -> None:
        self.bao, self.moto, self.network = bao, moto, network
        self.oracle, self.clock, self.ended = Oracle(), JumpingClock(), threading.Event()
        self.began = time.monotonic()
        self.lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.befell: Counter[str] = Counter()
        self.unpredicted: list[str] = []
        self.messages: dict[str, str] = {}
        self.samples: list[dict[str, float]] = []
        self.keys = {place: network.call("create", place) for place in PLACES}
        bao.write("chaos", {"api_key": self.keys["vault"]})
        moto.put("chaos", self.keys["aws"])
        self.file = Path("key").resolve()
        self.file.write_text(self.keys["file"])
        self.variables = {
            "vault": {"VECTORSHIFT_VAULT_PATH": "chaos", "VAULT_TOKEN": bao.root_token},
            "aws": {"VECTORSHIFT_AWS_SECRET_ID": "chaos", **moto.environment()},
            "file": {"VECTORSHIFT_API_KEY_FILE": str(self.file)},
        }
        self.chains = {place: self.chain(place) for place in PLACES}
        url = f"{network.address('api')}/v1"
        options: dict[str, Any] = {"base_url": url, "timeout": 30, "max_retries": 2}
        self.options = options
        self.clients = {p: VectorShift(chain, **options) for p, chain in self.chains.items()}
        self.aclients = {p: AsyncVectorShift(chain, **options) for p, chain in self.chains.items()}

    def chain(self, place: str) -> ProviderChain:
        """Return a chain that has read nothing yet."""
        timing: dict[str, Any] = {"load_timeout": LOAD_TIMEOUT, "clock": self.clock}
        if place == "file":
            return ProviderChain.from_settings(Settings(api_key_file=str(self.file)))
        address = self.network.address(place)
        provider = (
            VaultProvider("chaos", addr=address, token=self.bao.root_token)
            if place == "vault"
            else AwsSecretsManagerProvider("chaos", endpoint_url=address, region="us-east-1")
        )
        return ProviderChain([provider], ttl=TTL, max_stale=MAX_STALE, **timing)

    # --- Calls ---

    @contextmanager
    def judging(self, place: str, *, warm: bool = True) -> Iterator[Callable[[Any], None]]:
        """Make a call in the block, hand over what it gave; the oracle hears how it ended."""
        call = Call(place, warm, time.monotonic(), 0.0)
        names: list[str] = []
        try:
            yield lambda pipelines: names.extend(str(each.name) for each in pipelines)
        except Exception as error:
            call.error = type(error).__name__
            self.messages.setdefault(f"{call.error} {place}", str(error))
        call.ended = time.monotonic()
        self.count(call, names)

    def count(self, call: Call, names: list[str]) -> None:
        """Judge a call that ended."""
        foreign = [n for n in names if n.rsplit("-")[0] in PLACES and not n.startswith(call.place)]
        wrong = foreign or (call.error and not self.oracle.allows(call))
        with self.lock:
            self.outcomes[call.error or "ok"] += 1
            self.outcomes["calls"] += 1
            self.outcomes["failed"] += bool(call.error)
            if wrong and len(self.unpredicted) < 100:
                self.unpredicted.append(f"{call} {foreign} at {call.ended - self.began:.1f} s")

    def in_thread(self, seed: int) -> None:
        """Call until the end, a place after the other."""
        rng = random.Random(f"thread {seed}")
        while not self.ended.wait(rng.uniform(0, 2)):
            place = rng.choice(PLACES)
            with self.judging(place) as gave:
                gave(Pipeline.list(client=self.clients[place]))

    def newcomer(self) -> None:
        """Call with a chain that has nothing cached."""
        while not self.ended.wait(1):
            place = random.choice(PLACES)
            with (
                self.judging(place, warm=False) as gave,
                self.chain(place) as chain,
                VectorShift(chain, **self.options) as client,
            ):
                gave(Pipeline.list(client=client))

    def in_loop(self) -> None:
        """Run the tasks in one event loop."""

        async def task(seed: int) -> None:
            rng = random.Random(f"task {seed}")
            while not self.ended.is_set():
                await asyncio.sleep(rng.uniform(0, 8))
                place = rng.choice(PLACES)
                with self.judging(place) as gave:
                    gave(await Pipeline.alist(client=self.aclients[place]))

        async def main() -> None:
            await asyncio.gather(*map(task, range(TASKS)))
            for each in self.aclients.values():
                await each.aclose()

        asyncio.run(main())

    # --- What befalls the process ---

    @contextmanager
    def fault(self, place: str, kind: str, size: float = 0.0) -> Iterator[None]:
        """Note a fault for the length of the block."""
        fault = self.oracle.note(Fault(place, kind, time.monotonic(), size=size))
        self.befell[f"{place}: {kind}"] += 1
        try:
            yield
        finally:
            fault.ended = time.monotonic()

    def direct(self, rng: random.Random, *acts: Callable[[random.Random], None]) -> None:
        """Do one of some things after the other."""
        while not self.ended.wait(rng.uniform(1, 5)):
            rng.choice(acts)(rng)

    def spoil(self, rng: random.Random) -> None:
        """Spoil the way to the API or to a store for some seconds."""
        place = rng.choice(list(MODES))
        mode = rng.choice(MODES[place])
        with self.fault(place, mode):
            self.network.call("mode", place, mode)
            self.ended.wait(rng.uniform(1, 8))
            self.network.call("mode", place, "")

    def elect(self, rng: random.Random) -> None:
        """Kill or freeze the leader, so that the others elect another."""
        leader, kind = self.bao.leader, rng.choice(("killed", "frozen"))
        with self.fault("vault", f"leader {kind}"):
            self.bao.kill(leader) if kind == "killed" else self.bao.freeze(leader)
            self.ended.wait(rng.uniform(2, 6))
            self.bao.heal()

    def rotate(self, place: str) -> None:
        """Run `vectorshift rotate`, and have the API refuse the old key at once after that."""
        old, new = self.keys[place], self.network.call("create", place)
        variables = {
            **self.variables[place],
            "VECTORSHIFT_BASE_URL": f"{self.network.address('direct')}/v1",
            "VAULT_ADDR": self.bao.addresses[self.bao.leader] if place == "vault" else "",
        }
        done = subprocess.run(
            [sys.executable, "-m", "vectorshift", "rotate", "--source", place, "--yes"],
            input=new,
            env=environment(**{name: value for name, value in variables.items() if value}),
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode:
            with self.lock:
                self.unpredicted.append(f"rotate {place}: {done.stderr}")
            return
        if place == "vault":
            self.bao.heal()  # no server lags
        with self.fault(f"key of {place}", "revoked"):
            self.network.call("revoke", old)
        self.keys[place] = new
        self.ended.wait(10)  # no call meets two rotations

    def jump(self, rng: random.Random) -> None:
        """Move the clocks: a suspend, a day and more, or the wall clock back."""
        size = rng.choice((-3_600.0, 600.0, 3_600.0, 2 * MAX_STALE))
        with self.fault("clock", f"{size:+g} s", size):
            self.clock.wall_ahead += size
            if size > 0 and rng.random() < 0.5:
                self.clock.ahead += size

    def fail(self, rng: random.Random) -> None:
        """Have the API fail some requests."""
        with self.fault("api", "5xx"):
            self.network.call("fail", rng.randint(3, 30))
            self.ended.wait(5)

    def fork(self, _: random.Random) -> None:
        """Call in a child, which has the clients and the cache of this process."""
        self.befell["forks"] += 1
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This process .* is multi-threaded")
            child = os.fork()
        if child == 0:
            try:
                signal.alarm(100)
                for place in PLACES:
                    began, names, error = time.monotonic(), list[str](), ""
                    try:
                        pipelines = Pipeline.list(client=self.clients[place])
                        names = [str(each.name) for each in pipelines]
                    except Exception as raised:
                        error = type(raised).__name__
                    line = json.dumps([place, began, time.monotonic(), error, names])
                    os.write(writer, f"{line}\n".encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as answers:
            lines = answers.read().splitlines()
        os.waitpid(child, 0)
        for line in lines:
            place, began, ended, error, names = json.loads(line)
            self.count(Call(place, True, began, ended, error), names)
        if len(lines) < len(PLACES):
            with self.lock:
                self.unpredicted.append(f"a child ended after {lines}")

    # --- The run ---

    def run(self) -> None:
        """Let it all happen."""
        rngs = [random.Random(f"{SEED} {name}") for name in ("network", "store", "process")]
        works: list[Callable[[], None]] = [
            *(partial(self.in_thread, seed) for seed in range(THREADS)),
            self.newcomer,
            self.in_loop,
            lambda: self.direct(rngs[0], self.spoil),
            lambda: self.direct(rngs[1], self.elect, lambda _: self.rotate("vault")),
            lambda: self.direct(
                rngs[2],
                self.fork,
                self.jump,
                self.fail,
                lambda _: self.rotate("aws"),
                lambda _: self.rotate("file"),
            ),
        ]
        threads = [threading.Thread(target=self.guarded, args=(work,)) for work in works]
        for place in PLACES:  # only a key in use is rotated
            Pipeline.list(client=self.clients[place])
        for each in threads:
            each.start()
        while time.monotonic() - self.began < SECONDS and not self.unpredicted:
            time.sleep(EVERY)
            self.sample()
        self.ended.set()
        for each in threads:
            each.join(200)
            assert not each.is_alive(), "a caller hangs"
        for place, client in self.clients.items():
            wait_until(partial(self.answers, client), RECOVERY)
            client.close()
            self.chains[place].close()

    def guarded(self, work: Callable[[], None]) -> None:
        """Run one thread of the campaign; what it raises is a finding."""
        try:
            work()
        except BaseException as error:
            with self.lock:
                self.unpredicted.append(f"{work}: {error!r}")

    def answers(self, client: VectorShift) -> bool:
        """Return whether a call succeeds."""
        try:
            return bool(Pipeline.list(client=client))
        except Exception:
            return False

    def sample(self) -> None:
        """Note the numbers of this moment."""
        at = time.monotonic() - self.began
        last = self.samples[-1] if self.samples else {"at": 0.0, "all": 0, "all failed": 0}
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        with self.lock:
            calls, failed = self.outcomes["calls"], self.outcomes["failed"]
        self.samples.append(
            {
                "at": round(at, 1),
                "all": calls,
                "all failed": failed,
                "calls": round((calls - last["all"]) / (at - last["at"]), 1),
                "failed": failed - last["all failed"],
                "unpredicted": len(self.unpredicted),
                "memory": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
                "threads": threading.active_count(),
                "descriptors": len(list(Path("/proc/self/fd").iterdir())),
            }
        )

    def figures(self) -> dict[str, Any]:
        """Return what came of it, for the plot and the page."""
        ended = time.monotonic() - self.began
        return {
            "title": f"{ended:,.0f} s, {THREADS} threads, {TASKS} tasks, seed {SEED}:"
            f" {self.outcomes['calls']:,} calls, {self.outcomes['failed']:,} failed,"
            f" {len(self.unpredicted)} not predicted",
            "outcomes": dict(self.outcomes),
            "messages": self.messages,
            "befell": dict(sorted(self.befell.items())),
            "unpredicted": self.unpredicted,
            "growth": self.growth() if len(self.samples) >= 8 else {},
            "faults": [
                {
                    "place": each.place,
                    "kind": each.kind,
                    "began": round(each.began - self.began, 1),
                    "ended": round((each.ended or each.began) - self.began, 1),
                }
                for each in self.oracle.faults
            ],
            "samples": self.samples,
        }

    def growth(self) -> dict[str, tuple[float, float]]:
        """Return the medians of the second and of the last quarter; of descriptors, which a pool
        keeps for the busiest moment, the lowest of each half.
        """
        half, quarter = len(self.samples) // 2, len(self.samples) // 4
        found = {
            name: (
                statistics.median(each[name] for each in self.samples[quarter : 2 * quarter]),
                statistics.median(each[name] for each in self.samples[-quarter:]),
            )
            for name in ("memory", "threads")
        }
        descriptors = [each["descriptors"] for each in self.samples]
        return {**found, "descriptors": (min(descriptors[:half]), min(descriptors[half:]))}


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts by /proc")
def test_each_failed_call_was_predicted_and_nothing_grows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # pytest keeps each log record, with the frames of its traceback: 300 MB in an hour
    monkeypatch.setattr(logging.getLogger(), "handlers", [logging.NullHandler()])
    with ExitStack() as stack:
        bao, moto = stack.enter_context(OpenBaoCluster()), stack.enter_context(MotoServer())
        for name, value in moto.environment().items():
            monkeypatch.setenv(name, value)
        network = Network({"vault": bao.addresses, "aws": [moto.endpoint_url]})
        stack.callback(network.close)
        campaign = Campaign(bao, moto, network)
        try:
            campaign.run()
        finally:
            figures = campaign.figures()
            KEPT.mkdir(exist_ok=True)
            (KEPT / "figures.json").write_text(json.dumps(figures, indent=1))
            if campaign.samples:
                (KEPT / "plot.svg").write_text(plot(figures))
    with capsys.disabled():
        print(f"\n  {figures['title']}")
        print(
            *(f"  {name}: {figures[name]}" for name in ("outcomes", "befell", "growth")), sep="\n"
        )
    assert campaign.unpredicted == []
    for name, allowed in (("memory", 10.0), ("threads", 3.0), ("descriptors", 10.0)):
        before, after = campaign.growth()[name]
        assert after <= before * 1.05 + allowed, f"{name} grew from {before} to {after}"
