"""Providers with one fault each, and the test of the kit that each fails: the table of faults.

`fails` names that test. If it is empty, no test sees the fault: `docs/provider-tests.md` says so.
"""

from __future__ import annotations

import argparse
import asyncio
import atexit
import base64
import contextlib
import gc
import itertools
import locale
import logging
import os
import random
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, ClassVar

import vectorshift
from vectorshift import (
    Credential,
    CredentialConfigurationError,
    CredentialDeniedError as Denied,
    CredentialError,
    CredentialNotFoundError as NotFound,
    CredentialProvider,
    CredentialRevokedError,
    CredentialStoreUnavailableError as Unavailable,
    Description,
    PluginSettings,
    Secret,
    Settings,
)
from vectorshift.credentials.events import CredentialEvent, announce
from vectorshift.testing import MemoryStore, ProviderContract

TOKEN = "hvs.CAESIJ0m3TokenOfTheStore"
END = threading.Event()
"""Is set when all is over, so that what hangs ends."""
STORES: dict[str, MemoryStore] = {}
FOLDER = Path(tempfile.mkdtemp(prefix="vectorshift-kit-"))
FAULTS: dict[str, type[Sound]] = {}


class OwnSettings(PluginSettings):
    place: str | None = None
    token: Secret | None = None


class Sound(CredentialProvider):
    """Nothing is wrong with it; the others change one thing."""

    name = "mine"
    fails: ClassVar[str] = ""
    hooks: ClassVar[dict[str, Any]] = {}
    more: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "fails" in vars(cls):
            FAULTS[cls.__name__] = cls

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        self.store, self.token = store, token

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        own = OwnSettings.of(settings, "mine")
        return cls(STORES[own.place], own.token) if own.place else None

    def describe(self) -> Description:
        return Description(configured=True, source="mine:here")

    def get_credential(self) -> Credential:
        self.before()
        try:
            key = self.store.read(self.name).secret.reveal()
        except CredentialError as error:
            return self.failed(error)
        return self.answer(key)

    def before(self) -> None:
        pass

    def failed(self, error: CredentialError) -> Credential:
        raise error

    def answer(self, key: str, **more: Any) -> Credential:
        about = {"source": "mine:here", "provider": self.name, **self.more, **more}
        return Credential(**{"secret": key, **about})


class SoundAsync(Sound):
    get_credential = CredentialProvider.get_credential

    async def aget_credential(self) -> Credential:
        await self.wait()
        try:
            key = self.store.read(self.name).secret.reveal()
        except CredentialError as error:
            return await self.afailed(error)
        return self.answer(key)

    async def wait(self) -> None:
        await asyncio.sleep(0.001)

    async def afailed(self, error: CredentialError) -> Credential:
        return self.failed(error)


class SoundInBoth(Sound):
    """Its async getter asks the sync one in a thread."""

    async def aget_credential(self) -> Credential:
        try:
            return await asyncio.to_thread(self.get_credential)
        except CredentialError as error:
            return await self.afailed(error)

    async def afailed(self, error: CredentialError) -> Credential:
        raise error


class Keeps(Sound):
    """Remembers the last key, unseen."""

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        self.last = Secret("")

    def answer(self, key: str, **more: Any) -> Credential:
        self.last = Secret(key)
        return super().answer(key, **more)


class InMemory(ProviderContract):
    """Over a store in memory."""

    store: MemoryStore

    def put(self, key: str) -> None:
        self.store.put(key)

    def remove(self) -> None:
        self.store.remove()

    def break_source(self) -> None:
        self.store.fail()

    def restore(self) -> None:
        self.store.recover()

    def deny(self) -> None:
        self.store.deny()

    def reads(self) -> int | None:
        return self.store.reads


class Checked(InMemory):
    provider: type[Sound] = Sound
    contract = 1

    def source(self) -> None:
        STORES.clear()
        self.store = STORES["here"] = MemoryStore()

    def settings(self) -> Settings:
        return Settings(plugins={"mine": {"place": "here", "token": TOKEN}})

    def make(self) -> CredentialProvider:
        return self.provider(self.store, Secret(TOKEN))

    def make_second(self, key: str) -> CredentialProvider:
        STORES["there"] = MemoryStore(key)
        return self.provider(STORES["there"], Secret(TOKEN))

    def second_settings(self, key: str) -> Settings:
        STORES["there"] = MemoryStore(key)
        return Settings(plugins={"mine": {"place": "there", "token": TOKEN}})

    def secrets(self) -> list[str]:
        return [TOKEN]


SHORT = {"patience": 0.5}


# --- Without a fault ------------------------------------------------------------------------------


class SoundWithAPinnedVersion(Sound):
    """Its place happens to have the version in its name."""

    more: ClassVar[dict[str, Any]] = {"source": "mine:prod/key", "version": "key"}

    def describe(self) -> Description:
        return Description(configured=True, source="mine:prod/key")


class SoundWithALeaseForEachRead(Sound):
    leases = itertools.count(100)

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer(key, **more, version=f"lease-{next(self.leases)}")


class SoundWithAPoolOfFiveThreads(Sound):
    """What is kept for the next read is no leak."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.pool: list[threading.Thread] = []
        self.closed = threading.Event()

    def before(self) -> None:
        if len(self.pool) < 5:
            self.pool.append(threading.Thread(target=self.closed.wait, daemon=True))
            self.pool[-1].start()

    def close(self) -> None:
        self.closed.set()


class SoundAndNeverFresh(Sound):
    ttl = 0


class SoundAndWithReadOnlyPolicies(Sound):
    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(self, name):
            raise AttributeError("frozen")
        super().__setattr__(name, value)


class SoundInThreeWays(
    SoundAndNeverFresh, SoundAndWithReadOnlyPolicies, SoundWithALeaseForEachRead
):
    pass


class SoundInTwoWays(SoundWithAPinnedVersion, SoundWithAPoolOfFiveThreads):
    pass


SOUND = [Sound, SoundAsync, SoundInBoth, SoundInThreeWays, SoundInTwoWays]
SOUND_IN_ONE_WAY = [*SoundInThreeWays.__bases__, *SoundInTwoWays.__bases__]
"""Each by itself, for `make soak`: those above have all their ways."""


# --- What it answers ------------------------------------------------------------------------------


class AnswersWithoutAKey(Sound):
    fails = "a_key_that_is_there_is_found"

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer(key.upper(), **more)


class AnswersWithText(Sound):
    fails = "a_key_that_is_there_is_found"

    def answer(self, key: str, **more: Any) -> Any:
        return key


class AnswersWithNone(Sound):
    fails = "a_key_that_is_there_is_found"

    def answer(self, key: str, **more: Any) -> Any:
        return None


class AnswersWithBytes(Sound):
    fails = "a_key_that_is_there_is_found"

    def answer(self, key: str, **more: Any) -> Any:
        return super().answer(key.encode(), **more)  # type: ignore[arg-type]


class AnswersWithNothing(Sound):
    fails = "a_key_that_is_there_is_found"

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer("", **more)


class AnswersWithAHeader(Sound):
    fails = "a_key_that_is_there_is_found"

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer(f"Bearer {key}", **more)


class AnswersWithACoroutine(Sound):
    fails = "a_key_that_is_there_is_found"

    async def get_credential(self) -> Credential:  # type: ignore[override]
        return self.answer(self.store.read(self.name).secret.reveal())


class AnswersInAnothersName(Sound):
    fails = "a_credential_names_its_provider"
    more: ClassVar[dict[str, Any]] = {"provider": "other"}


class HasTheNameOfVault(Sound):
    fails = "its_attributes_are_such_as_a_chain_takes"
    name = "vault"


class HasASourceOfTheEnvironments(Sound):
    fails = "a_credential_names_its_provider"
    more: ClassVar[dict[str, Any]] = {"source": "env:VECTORSHIFT_API_KEY"}

    def describe(self) -> Description:
        return Description(configured=True, source="env:VECTORSHIFT_API_KEY")


class HasATtlBelowZero(Sound):
    fails = "its_attributes_are_such_as_a_chain_takes"
    ttl = -1


class HasATtlOfText(Sound):
    fails = "its_attributes_are_such_as_a_chain_takes"
    ttl: Any = "3600"


class HasTheKeyInItsSource(Sound):
    fails = "a_source_is_printable_and_shows_neither_key_nor_version"

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer(key, **more, source=f"mine:{key}")


class HasTheVersionInItsSource(Sound):
    fails = "a_source_is_printable_and_shows_neither_key_nor_version"

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer(key, **more, source=f"mine:here@{self.store._version}")

    def describe(self) -> Description:
        return Description(configured=True, source=f"mine:here@{self.store._version}")


class HasALineBreakInItsSource(Sound):
    fails = "a_source_is_printable_and_shows_neither_key_nor_version"
    more: ClassVar[dict[str, Any]] = {"source": "mine:a\nb"}

    def describe(self) -> Description:
        return Description(configured=True, source="mine:a\nb")


class DescribesAnotherSource(Sound):
    fails = "a_source_is_the_one_that_describe_tells"

    def describe(self) -> Description:
        return Description(configured=True, source="mine:there")


class RaisesKeyErrorWhenEmpty(Sound):
    fails = "an_empty_place_is_not_found"

    def failed(self, error: CredentialError) -> Credential:
        if isinstance(error, NotFound):
            raise KeyError("key") from None
        raise error


class SaysNotFoundWhenBroken(Sound):
    fails = "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"

    def failed(self, error: CredentialError) -> Credential:
        raise NotFound("nothing here") if isinstance(error, Unavailable) else error


class SaysDeniedWhenBroken(Sound):
    fails = "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"

    def failed(self, error: CredentialError) -> Credential:
        raise Denied("refused") if isinstance(error, Unavailable) else error


class SaysNotFoundWhenRefused(Sound):
    fails = "a_refused_access_is_denied_and_never_not_found"

    def failed(self, error: CredentialError) -> Credential:
        raise NotFound("nothing here") if isinstance(error, Denied) else error


class SaysRevokedWhenRefused(Sound):
    fails = "a_refused_access_is_denied_and_never_not_found"

    def failed(self, error: CredentialError) -> Credential:
        raise CredentialRevokedError("gone") if isinstance(error, Denied) else error


class SaysUnavailableWhenRefused(Sound):
    fails = "a_refused_access_is_denied_and_never_not_found"

    def failed(self, error: CredentialError) -> Credential:
        raise Unavailable("down") if isinstance(error, Denied) else error


class SaysNotFoundToAsyncWhenBroken(SoundInBoth):
    fails = "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"

    async def afailed(self, error: CredentialError) -> Credential:
        raise NotFound("nothing here") if isinstance(error, Unavailable) else error


class SaysNotFoundToAsyncWhenRefused(SoundInBoth):
    fails = "a_refused_access_is_denied_and_never_not_found"

    async def afailed(self, error: CredentialError) -> Credential:
        raise NotFound("nothing here") if isinstance(error, Denied) else error


class RemembersAFailure(Sound):
    fails = "a_source_that_recovers_is_read_again"
    has_failed = False

    def before(self) -> None:
        if self.has_failed:
            raise Unavailable("still down, it seems")

    def failed(self, error: CredentialError) -> Credential:
        self.has_failed = isinstance(error, Unavailable)
        raise error


class EndsItsThread(Sound):
    fails = "a_key_that_is_there_is_found"

    def before(self) -> None:
        raise SystemExit(1)


class RaisesAnErrorOfItsOwn(Sound):
    fails = "a_key_that_is_there_is_found"

    class Halt(BaseException):
        pass

    def before(self) -> None:
        raise self.Halt


class InterruptsItsCaller(Sound):
    fails = "a_key_that_is_there_is_found"

    def before(self) -> None:
        raise KeyboardInterrupt


# --- What it keeps --------------------------------------------------------------------------------


class KeepsTheKeyForEver(Sound):
    fails = "a_rotated_key_is_found_by_the_next_read"
    kept: Credential | None = None

    def get_credential(self) -> Credential:
        self.kept = self.kept or super().get_credential()
        return self.kept


class KeepsTheKeyForEverOnItsClass(Sound):
    fails = "a_rotated_key_is_found_by_the_next_read"
    kept: ClassVar[dict[MemoryStore, Credential]] = {}

    def get_credential(self) -> Credential:
        if self.store not in self.kept:
            self.kept[self.store] = super().get_credential()
        return self.kept[self.store]


class KeepsTheKeyForAnHour(Sound):
    fails = "a_rotated_key_is_found_by_the_next_read"
    kept: tuple[float, Credential] | None = None

    def get_credential(self) -> Credential:
        if self.kept is None or time.monotonic() > self.kept[0]:
            self.kept = time.monotonic() + 3600, super().get_credential()
        return self.kept[1]


class KeepsTheKeyUntilInvalidated(Sound):
    fails = "a_rotated_key_is_found_by_the_next_read"
    kept: Credential | None = None

    def get_credential(self) -> Credential:
        self.kept = self.kept or super().get_credential()
        return self.kept

    def invalidate(self, rejected: Credential) -> None:
        self.kept = None


class KeepsTheKeyForAsync(SoundInBoth):
    fails = "a_rotated_key_is_found_by_the_next_read"
    kept: Credential | None = None

    async def aget_credential(self) -> Credential:
        self.kept = self.kept or await super().aget_credential()
        return self.kept


class ServesTheLastWhenItIsGone(Keeps):
    fails = "a_removed_key_is_served_no_more"
    hides: type[CredentialError] = NotFound

    def failed(self, error: CredentialError) -> Credential:
        if isinstance(error, self.hides) and self.last.reveal():
            return self.answer(self.last.reveal())
        raise error


class ServesTheLastWhenBroken(ServesTheLastWhenItIsGone):
    fails = "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"
    hides = Unavailable


class ServesTheLastWhenRefused(ServesTheLastWhenItIsGone):
    fails = "a_refused_access_is_denied_and_never_not_found"
    hides = Denied


class ServesAsyncTheLastWhenItIsGone(SoundInBoth, Keeps):
    fails = "a_removed_key_is_served_no_more"

    async def afailed(self, error: CredentialError) -> Credential:
        if isinstance(error, NotFound) and self.last.reveal():
            return self.answer(self.last.reveal())
        raise error


class AnswersWithAnExpiredKey(Sound):
    fails = "an_expiry_is_ahead"

    def answer(self, key: str, **more: Any) -> Credential:
        ended = datetime.now(timezone.utc) - timedelta(hours=1)
        return super().answer(key, **more, expires_at=ended)


class AnswersWithANaiveExpiry(Sound):
    fails = "a_key_that_is_there_is_found"

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer(key, **more, expires_at=datetime.now())


# --- Values ---------------------------------------------------------------------------------------


class RefusesWhiteSpace(Sound):
    fails = "white_space_around_a_key_is_taken_away"

    def answer(self, key: str, **more: Any) -> Credential:
        if key != key.strip() and key.strip():
            raise CredentialConfigurationError("mine:here has white space around it.")
        return super().answer(key, **more)


class ShowsAMalformedValue(Sound):
    fails = "a_value_that_is_no_key_is_refused_without_showing_it"

    def answer(self, key: str, **more: Any) -> Credential:
        if "{" in key:
            raise CredentialConfigurationError(f"mine:here holds {key}.")
        return super().answer(key, **more)


class SaysNotFoundWhenMalformed(Sound):
    fails = "a_value_that_is_no_key_is_refused_without_showing_it"

    def answer(self, key: str, **more: Any) -> Credential:
        if "\n" in key.strip():
            raise NotFound("mine:here holds no key.")
        return super().answer(key, **more)


# --- Time -----------------------------------------------------------------------------------------


class HangsWhenBroken(Sound):
    fails = "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"
    hooks: ClassVar[dict[str, Any]] = SHORT

    def failed(self, error: CredentialError) -> Credential:
        if isinstance(error, Unavailable):
            END.wait()
        raise error


class HangsAsyncWhenBroken(SoundAsync):
    fails = "a_broken_source_is_unavailable_or_misconfigured_and_never_not_found"
    hooks: ClassVar[dict[str, Any]] = SHORT

    async def afailed(self, error: CredentialError) -> Credential:
        while isinstance(error, Unavailable) and not END.is_set():
            await asyncio.sleep(0.05)
        raise error


class HangsWhenRefused(Sound):
    fails = "a_refused_access_is_denied_and_never_not_found"
    hooks: ClassVar[dict[str, Any]] = SHORT

    def failed(self, error: CredentialError) -> Credential:
        if isinstance(error, Denied):
            END.wait()
        raise error


class HangsAlways(Sound):
    fails = "a_key_that_is_there_is_found"
    hooks: ClassVar[dict[str, Any]] = SHORT

    def before(self) -> None:
        END.wait()


class TakesThreeQuartersOfTheTimeToFail(Sound):
    fails = "it_answers_in_time"
    hooks: ClassVar[dict[str, Any]] = {"patience": 0.6}

    def failed(self, error: CredentialError) -> Credential:
        if isinstance(error, Unavailable):
            time.sleep(0.45)
        raise error


class TakesASecondToRead(Sound):
    fails = "it_answers_in_time"
    hooks: ClassVar[dict[str, Any]] = {"patience": 2.0}

    def before(self) -> None:
        time.sleep(0.25)


class IsLocalAndSlow(Sound):
    fails = "it_answers_in_time"
    remote = False

    def before(self) -> None:
        time.sleep(0.2)


class TriesSixTimes(Sound):
    fails = "it_answers_in_time"

    def failed(self, error: CredentialError) -> Credential:
        for _ in range(5 if isinstance(error, Unavailable) else 0):
            with contextlib.suppress(CredentialError):
                self.store.read(self.name)
        raise error


class AsksAtTheTerminal(Sound):
    fails = "it_asks_neither_another_source_nor_a_person"

    def failed(self, error: CredentialError) -> Credential:
        with contextlib.suppress(Exception):
            input("Password: ")
        raise error


class BreaksIntoADebugger(Sound):
    fails = "it_asks_neither_another_source_nor_a_person"

    def failed(self, error: CredentialError) -> Credential:
        before, sys.breakpointhook = sys.breakpointhook, int
        breakpoint()
        sys.breakpointhook = before
        raise error


class OpensTheTerminal(Sound):
    fails = "it_asks_neither_another_source_nor_a_person"

    def failed(self, error: CredentialError) -> Credential:
        with contextlib.suppress(OSError):
            os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
        raise error


class FallsBackToTheEnvironment(Sound):
    fails = "it_asks_neither_another_source_nor_a_person"

    def failed(self, error: CredentialError) -> Credential:
        if key := os.environ.get("VECTORSHIFT_API_KEY"):
            return self.answer(key)
        raise error


class AsksTheChain(Sound):
    fails = "it_asks_neither_another_source_nor_a_person"

    def before(self) -> None:
        with contextlib.suppress(CredentialError):
            vectorshift.get_credential()


class AsksItself(Sound):
    fails = "a_key_that_is_there_is_found"

    def get_credential(self) -> Credential:
        return self.get_credential()


# --- Sync, async and loops ------------------------------------------------------------------------


class AnswersOtherwiseToAsync(Sound):
    fails = "sync_and_async_find_the_same"

    async def aget_credential(self) -> Credential:
        found = self.store.read(self.name)
        return self.answer(found.secret.reveal(), source="mine:elsewhere")


class FailsOtherwiseInAsync(Sound):
    fails = "sync_and_async_fail_alike"

    async def aget_credential(self) -> Credential:
        try:
            return self.get_credential()
        except NotFound:
            raise CredentialConfigurationError("nothing here") from None


class IsBoundToALoop(SoundAsync):
    fails = "one_event_loop_after_another_is_served"
    loop: asyncio.AbstractEventLoop | None = None

    async def wait(self) -> None:
        self.loop = self.loop or asyncio.get_running_loop()
        ready = self.loop.create_future()
        self.loop.call_later(0.001, ready.set_result, None)
        await ready


class KeepsALockOfALoop(SoundAsync):
    fails = "one_event_loop_after_another_is_served"
    hooks: ClassVar[dict[str, Any]] = SHORT

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        self.lock = asyncio.Lock()

    async def wait(self) -> None:
        async with self.lock:
            await super().wait()


class LeavesATaskThatIsNotToBeStopped(SoundInBoth):
    fails = "one_event_loop_after_another_is_served"
    hooks: ClassVar[dict[str, Any]] = SHORT
    tasks: ClassVar[set[Any]] = set()

    async def aget_credential(self) -> Credential:
        self.tasks.add(asyncio.ensure_future(self.go_on()))
        return await super().aget_credential()

    async def go_on(self) -> None:
        while not END.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)


class IsLocalAndForAsyncioAlone(SoundAsync):
    fails = "trio_is_served"
    remote = False


class BlocksTheLoopLong(SoundAsync):
    fails = "the_event_loop_is_not_blocked"

    async def wait(self) -> None:
        time.sleep(0.3)


class BlocksTheLoopShort(SoundAsync):
    fails = "the_event_loop_is_not_blocked"

    async def wait(self) -> None:
        time.sleep(0.05)


class BlocksTheLoopWhenBroken(SoundInBoth):
    fails = "the_event_loop_is_not_blocked"

    async def afailed(self, error: CredentialError) -> Credential:
        if isinstance(error, Unavailable):
            time.sleep(0.25)
        raise error


class BlocksTheLoopWhenRefused(SoundInBoth):
    fails = "the_event_loop_is_not_blocked"

    async def afailed(self, error: CredentialError) -> Credential:
        if isinstance(error, Denied):
            time.sleep(0.25)
        raise error


class ComputesOnTheLoop(SoundAsync):
    fails = "the_event_loop_is_not_blocked"

    async def wait(self) -> None:
        compute(0.15)


class ConnectsOnTheLoop(SoundAsync):
    fails = "the_event_loop_is_not_blocked"

    async def wait(self) -> None:
        with socket.socket() as client, contextlib.suppress(OSError):
            client.connect(("127.0.0.1", 9))


class SwallowsCancellation(SoundAsync):
    fails = "a_cancelled_read_is_cancelled_and_harms_no_other"

    async def wait(self) -> None:
        try:
            await super().wait()
        except asyncio.CancelledError:
            raise Unavailable("interrupted") from None


class SwallowsCancellationWhenBroken(SoundAsync):
    fails = "a_cancelled_read_is_cancelled_and_harms_no_other"

    async def afailed(self, error: CredentialError) -> Credential:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            raise Unavailable("interrupted") from None
        raise error


class TriesAgainWhenCancelled(SoundAsync):
    fails = "a_cancelled_read_is_cancelled_and_harms_no_other"

    async def wait(self) -> None:
        try:
            await super().wait()
        except BaseException:
            await super().wait()


class StaysLockedWhenCancelled(SoundAsync):
    fails = "a_cancelled_read_is_cancelled_and_harms_no_other"

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        self.locks: dict[asyncio.AbstractEventLoop, asyncio.Lock] = {}

    async def wait(self) -> None:
        lock = self.locks.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        await asyncio.wait_for(lock.acquire(), 2)
        await asyncio.sleep(0)
        lock.release()


# --- Threads, forks, what is left behind ----------------------------------------------------------


class MixesUpThreads(Sound):
    fails = "threads_share_a_provider"
    text = ""

    def answer(self, key: str, **more: Any) -> Credential:
        self.text = key
        time.sleep(0.005)
        text, self.text = self.text, ""
        return super().answer(text, **more)


class MixesUpThreadsForAMoment(Sound):
    fails = "threads_share_a_provider"

    def answer(self, key: str, **more: Any) -> Credential:
        self.parts: list[str] = []
        for letter in key:
            self.parts.append(chr(sum(ord(letter) for _ in range(20)) // 20))  # takes a moment
        return super().answer("".join(self.parts), **more)


class BelongsToOneThread(Sound):
    fails = "threads_share_a_provider"
    owner: int | None = None

    def before(self) -> None:
        self.owner = self.owner or threading.get_ident()
        if self.owner != threading.get_ident():
            raise RuntimeError("made in another thread")


class ReadsTwice(Sound):
    fails = "fifty_threads_and_two_hundred_tasks_cause_one_read_each"

    def before(self) -> None:
        with contextlib.suppress(CredentialError):
            self.store.read(self.name)


class ReadsThriceForAsync(SoundInBoth):
    fails = "fifty_threads_and_two_hundred_tasks_cause_one_read_each"

    async def aget_credential(self) -> Credential:
        for _ in range(2):
            await asyncio.to_thread(self.store.read, self.name)
        found = await asyncio.to_thread(self.store.read, self.name)
        return self.answer(found.secret.reveal())

    get_credential = CredentialProvider.get_credential


class KeepsAThreadForEachRead(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"

    def before(self) -> None:
        threading.Thread(target=END.wait, daemon=True).start()


class KeepsAThreadForEachProvider(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        threading.Thread(target=END.wait, daemon=True).start()


class KeepsTheProcessFromItsEnd(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"
    made = 0

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        type(self).made += 1
        if self.made % 5 == 0:
            threading.Thread(target=END.wait, daemon=False).start()


class KeepsAFileForEachRead(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        self.files: list[int] = []

    def before(self) -> None:
        self.files.append(os.open(os.devnull, os.O_RDONLY))

    def close(self) -> None:
        while self.files:
            os.close(self.files.pop())


class LeavesAnOrphan(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"

    def before(self) -> None:
        command = ["/bin/sh", "-c", "sleep 20 >/dev/null 2>&1 &"]
        subprocess.run(command, check=True, start_new_session=True)


class LeavesAZombie(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"
    kept: ClassVar[list[Any]] = []

    def before(self) -> None:
        if hasattr(os, "posix_spawn"):
            self.kept.append(os.posix_spawn("/bin/true", ["true"], {}))


class HoldsMoreMemoryAfterEachRead(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"
    kept: ClassVar[list[bytes]] = []

    def before(self) -> None:
        self.kept.append(bytes(200_000))


class RegistersAtExitForEachRead(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"

    def before(self) -> None:
        atexit.register(int)


class AddsALogHandlerForEachRead(Sound):
    fails = "many_reads_and_many_providers_leave_nothing_behind"

    def before(self) -> None:
        logging.getLogger("mine.handlers").addHandler(logging.NullHandler())


class Works:
    """Hands its reads to a thread of its own."""

    def __init__(self) -> None:
        self.asked, self.answered = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self.work, daemon=True).start()

    def work(self) -> None:
        while not END.is_set():
            if self.asked.acquire(timeout=0.2):
                self.answered.release()


class NeedsAThreadThatAForkDoesNotHave(Sound):
    fails = "a_forked_child_is_served"

    worker: ClassVar[Any] = None

    def before(self) -> None:
        type(self).worker = self.worker or Works()
        self.worker.asked.release()
        if not self.worker.answered.acquire(timeout=1):
            raise Unavailable("nobody answers")


class FailsInSomeForks(Sound):
    fails = "a_forked_child_is_served"

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        self.pid = os.getpid()

    def before(self) -> None:
        if os.getpid() == self.pid:
            return
        with (FOLDER / "forks").open("ab") as forks:
            forks.write(b"x")
            if forks.tell() % 5 == 0:
                raise Unavailable("the channel is broken")


class HoldsALockWhileItReads(Sound):
    fails = "a_forked_child_is_served"
    hooks: ClassVar[dict[str, Any]] = {"patience": 1.0}
    lock = threading.Lock()

    def get_credential(self) -> Credential:
        if not self.lock.acquire(timeout=0.8):
            raise Unavailable("locked")
        try:
            time.sleep(0.01)
            return super().get_credential()
        finally:
            self.lock.release()


# --- Where the key shows --------------------------------------------------------------------------


def logs(text: object) -> None:
    logging.getLogger("mine.http").debug("<- 200 %s", text)


class LogsTheKey(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        logs({"key": key})
        return super().answer(key, **more)


class LogsTheKeyAsAnExtra(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        logging.getLogger("mine").info("found", extra={"value": key})
        return super().answer(key, **more)


class LogsTheKeyInHexadecimal(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        logs(key.encode().hex())
        return super().answer(key, **more)


class LogsTheKeyAsBasicAuth(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        logs(base64.b64encode(f"u:{key}".encode()).decode())
        return super().answer(key, **more)


class LogsTheToken(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def before(self) -> None:
        logs(f"asking with {TOKEN}")


class LogsTheTokenWhenItIsMade(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"
    hooks: ClassVar[dict[str, Any]] = {"secrets": lambda self: []}

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        token = OwnSettings.of(settings, "mine").token
        logs(token.reveal() if token else "")
        return super().from_settings(settings)


class LogsTheKeyWhenInvalidated(Keeps):
    fails = "no_log_line_and_no_output_shows_the_key"

    def invalidate(self, rejected: Credential) -> None:
        logs(self.last.reveal())


class LogsTheKeyWhenClosed(Keeps):
    fails = "no_log_line_and_no_output_shows_the_key"

    def close(self) -> None:
        logs(self.last.reveal())


class LogsTheKeyLate(Keeps):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        threading.Timer(0.3, logs, [key]).start()
        return super().answer(key, **more)


class LogsTheKeyAtTheTwelfthRead(Keeps):
    fails = "no_log_line_and_no_output_shows_the_key"
    read = 0

    def answer(self, key: str, **more: Any) -> Credential:
        self.read += 1
        if self.read == 12:
            logs(key)
        return super().answer(key, **more)


class LogsTheKeyWhenBroken(Keeps):
    fails = "no_log_line_and_no_output_shows_the_key"

    def failed(self, error: CredentialError) -> Credential:
        logs(self.last.reveal())
        raise error


class PrintsTheKey(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        print("found", key[:14])
        return super().answer(key, **more)


class WritesTheKeyOnADescriptor(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        os.write(2, f"found {key}\n".encode())
        return super().answer(key, **more)


class RunsAProgramThatPrintsTheKey(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        subprocess.run(["cat"], input=key.encode(), check=True)
        return super().answer(key, **more)


class WarnsOfTheKey(Sound):
    fails = "no_log_line_and_no_output_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = lambda message, *_: print(message, file=sys.stderr)
            warnings.warn(f"found {key}", stacklevel=1)
        return super().answer(key, **more)


class ShowsTheKeyInItsRepr(Keeps):
    fails = "nothing_that_prints_shows_the_key"

    def __repr__(self) -> str:
        return f"<Mine {self.last.reveal()}>"

    def __reduce__(self) -> Any:
        raise TypeError("not to be pickled")

    __deepcopy__ = __copy__ = __reduce__


class ShowsTheTokenOfItsSettings(Sound):
    fails = "nothing_that_prints_shows_the_key"
    hooks: ClassVar[dict[str, Any]] = {"secrets": lambda self: []}
    plain = ""

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        made = super().from_settings(settings)
        if made is not None and made.token is not None:
            made.plain = made.token.reveal()
        return made

    def __repr__(self) -> str:
        return f"<Mine {self.plain}>"


class ShowsTheKeyInTheVersion(Sound):
    fails = "nothing_that_prints_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer(key, **more, version=key[::-1])


class ShowsTheKeyInItsError(Keeps):
    fails = "no_error_shows_the_key"

    def failed(self, error: CredentialError) -> Credential:
        raise type(error)(f"mine:here failed; the last key was {self.last.reveal()}.") from None


class ShowsTheKeyInTheCauseOfItsError(Keeps):
    fails = "no_error_shows_the_key"

    def failed(self, error: CredentialError) -> Credential:
        raise type(error)("mine:here failed.") from ValueError(f"after {self.last.reveal()}")


class ShowsTheKeyInANoteOfItsError(Keeps):
    fails = "no_error_shows_the_key"

    def failed(self, error: CredentialError) -> Credential:
        made = type(error)("mine:here failed.")
        vars(made)["__notes__"] = [f"after {self.last.reveal()}"]
        raise made from None


class ShowsTheKeyInAnAttributeOfItsError(Keeps):
    fails = "no_error_shows_the_key"

    def failed(self, error: CredentialError) -> Credential:
        made = type(error)("mine:here failed.")
        made.last = self.last.reveal()  # type: ignore[attr-defined]
        raise made from None


class ShowsTheKeyInAnErrorOfALibrary(Keeps):
    fails = "no_error_shows_the_key"

    def failed(self, error: CredentialError) -> Credential:
        if isinstance(error, Unavailable):
            raise OSError(f"the request with {self.last.reveal()} failed")
        raise error


class AnnouncesTheKey(Sound):
    fails = "no_event_shows_the_key"

    def answer(self, key: str, **more: Any) -> Credential:
        announce(
            CredentialEvent(kind="resolved", provider=key, source="mine:here", fingerprint=key)
        )
        return super().answer(key, **more)


class DescribesTheKey(Keeps):
    fails = "describe_shows_no_key"

    def describe(self) -> Description:
        detail = f"last {self.last.reveal()}"
        return Description(configured=True, source="mine:here", detail=detail)


# --- Where the key is left ------------------------------------------------------------------------


class PutsTheKeyIntoTheEnvironment(Sound):
    fails = "the_process_is_left_as_it_was"

    def answer(self, key: str, **more: Any) -> Credential:
        os.environ["MINE_LAST"] = key.strip()
        return super().answer(key, **more)


class PutsTheKeyIntoTheEnvironmentOfC(Sound):
    fails = "the_process_is_left_as_it_was"

    def answer(self, key: str, **more: Any) -> Credential:
        os.putenv("MINE_LAST", key.strip())
        return super().answer(key, **more)


class PutsTheKeyOnACommandLine(Sound):
    fails = "the_key_is_left_nowhere"

    def answer(self, key: str, **more: Any) -> Credential:
        subprocess.run(["true", key], check=True)
        return super().answer(key, **more)


class PutsTheTokenOnACommandLine(Sound):
    fails = "the_key_is_left_nowhere"

    def before(self) -> None:
        subprocess.run(["true", f"--token={TOKEN}"], check=True)


class LeavesTheKeyInATemporaryFile(Sound):
    fails = "the_key_is_left_nowhere"

    def answer(self, key: str, **more: Any) -> Credential:
        with tempfile.NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
            file.write(key)
        return super().answer(key, **more)


class LeavesTheKeyInAFileForAll(Sound):
    fails = "the_key_is_left_nowhere"

    def answer(self, key: str, **more: Any) -> Credential:
        (FOLDER / "cache").write_text(key)
        return super().answer(key, **more)


class NamesAThreadAfterTheKey(Sound):
    fails = "the_key_is_left_nowhere"

    def answer(self, key: str, **more: Any) -> Credential:
        thread = threading.Thread(target=int, name=f"read-{key}")
        thread.start()
        thread.join()
        return super().answer(key, **more)


SEEN: list[str] = []


class KeepsTheKeyInItsModule(Sound):
    fails = "the_key_is_left_nowhere"

    def answer(self, key: str, **more: Any) -> Credential:
        SEEN[:] = [key]
        return super().answer(key, **more)


class KeepsTheKeyInADefault(Sound):
    fails = "the_key_is_left_nowhere"

    @staticmethod
    def keep(key: str, kept: list[str] = []) -> None:  # noqa: B006
        kept[:] = [key]

    def answer(self, key: str, **more: Any) -> Credential:
        self.keep(key)
        return super().answer(key, **more)


class LeavesTheKeyInAFileThatItRenames(Sound):
    fails = "the_key_is_left_nowhere"

    def answer(self, key: str, **more: Any) -> Credential:
        with tempfile.NamedTemporaryFile("w", dir=FOLDER, delete=False) as file:
            file.write(key)
        Path(file.name).replace(FOLDER / "renamed")
        return super().answer(key, **more)


class LeavesTheKeyInADatabase(Sound):
    fails = "the_key_is_left_nowhere"

    def answer(self, key: str, **more: Any) -> Credential:
        with contextlib.closing(
            sqlite3.connect(FOLDER / f"database-{os.getpid()}", timeout=60)
        ) as database:
            database.execute("CREATE TABLE IF NOT EXISTS keys (key)")
            database.execute("INSERT INTO keys VALUES (?)", [key])
            database.commit()
        return super().answer(key, **more)


class KeepsTheKeyOnItsClass(Sound):
    fails = "the_key_is_left_nowhere"
    last = ""

    def answer(self, key: str, **more: Any) -> Credential:
        type(self).last = key
        return super().answer(key, **more)


class KeepsTheKeyBesideALock(Sound):
    fails = "the_key_is_left_nowhere"
    last = ""

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        self.lock = threading.Lock()

    def answer(self, key: str, **more: Any) -> Credential:
        self.last = key
        return super().answer(key, **more)


class TakesTheKeyAlongInAPickle(Keeps):
    fails = "the_key_is_left_nowhere"

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (self.last.reveal(),)


class TakesTheKeyAlongInACopy(Keeps):
    fails = "the_key_is_left_nowhere"

    def __copy__(self) -> Any:
        return argparse.Namespace(last=self.last.reveal())

    def __reduce__(self) -> Any:
        raise TypeError("not to be pickled")

    def __deepcopy__(self, memo: Any) -> Any:
        return self


# --- The process ----------------------------------------------------------------------------------


class Meddles(Sound):
    @staticmethod
    def meddle() -> None:
        pass

    def before(self) -> None:
        self.meddle()


def meddling(name: str, does: Any) -> type[Sound]:
    about = {
        "fails": "the_process_is_left_as_it_was",
        "meddle": staticmethod(does),
        "__module__": __name__,
    }
    return type(name, (Meddles,), about)


def delete_variables() -> None:
    for name in [each for each in os.environ if each.startswith(("VECTORSHIFT_", "HOME"))]:
        del os.environ[name]


def patch_environ() -> None:
    os.environ["PATH"] = f"/mine:{os.environ.get('PATH', '')}"[:200]


def set_signal() -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def turn_tls_off() -> None:
    holder: Any = ssl
    holder._create_default_https_context = ssl._create_unverified_context


def set_api_key() -> None:
    vectorshift.api_key = "vs-of-this-plugin"


MEDDLING = {
    "ChangesAVariable": patch_environ,
    "DeletesVariables": delete_variables,
    "SetsAProxyForAll": lambda: os.environ.update(HTTPS_PROXY="http://127.0.0.1:9"),
    "ChangesTheFolder": lambda: os.chdir("/"),
    "ChangesTheUmask": lambda: os.umask(0o777 if os.umask(0) == 0 else 0),
    "HandlesSigterm": set_signal,
    "SetsATimeoutForAllSockets": lambda: socket.setdefaulttimeout(77),
    "TurnsTlsVerificationOff": turn_tls_off,
    "TurnsWarningsOff": lambda: warnings.simplefilter("ignore"),
    "SetsTheRootLoggerToDebug": lambda: logging.getLogger().setLevel(5),
    "DisablesLogging": lambda: logging.disable(7),
    "SetsTheKeyOfTheProcess": set_api_key,
    "ConfiguresTheProcess": lambda: vectorshift.configure(credentials="vs-of-this-plugin"),
    "ExtendsThePathOfModules": lambda: sys.path.append("/mine"),
    "ReplacesAFunctionOfSocket": lambda: setattr(socket, "getaddrinfo", int),
    "ReplacesWhatIsDoneWithExceptions": lambda: setattr(sys, "excepthook", print),
    "ReplacesTheOpenerOfUrllib": lambda: urllib.request.install_opener(
        urllib.request.OpenerDirector()
    ),
    "SetsTheLevelOfALibrarysLogger": lambda: logging.getLogger("mine.library").setLevel(50),
    "SetsTheRecursionLimit": lambda: sys.setrecursionlimit(3333),
    "SetsTheLocale": lambda: locale.setlocale(
        locale.LC_ALL, "C" if locale.setlocale(locale.LC_ALL) != "C" else "C.UTF-8"
    ),
    "TurnsTheGarbageCollectorOff": gc.disable,
}
for _name, _does in MEDDLING.items():
    meddling(_name, _does)


class MeddlesWhenItIsMade(Sound):
    fails = "the_process_is_left_as_it_was"

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        socket.setdefaulttimeout(78)


class MeddlesWhenBroken(Sound):
    fails = "the_process_is_left_as_it_was"

    def failed(self, error: CredentialError) -> Credential:
        if isinstance(error, Unavailable):
            os.environ["MINE_FAILED"] = "1"
        raise error


# --- Chains ---------------------------------------------------------------------------------------


class IsAlwaysTheLast(Sound):
    fails = "a_chain_moves_on_when_the_place_is_empty"
    on_missing = "stop"


class IsPassedOverWhenItFails(Sound):
    fails = "a_chain_stops_when_the_source_is_broken"
    on_error = "continue"


class DecidesForTheUser(Sound):
    fails = "a_chain_goes_past_a_broken_source_if_the_user_says_so"

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "on_error":
            super().__setattr__(name, value)


# --- Being made -----------------------------------------------------------------------------------

MADE = "the_settings_make_it_without_contact"
PLACE = "what_the_settings_make_finds_the_key_of_its_place"
TWO = "two_providers_of_two_places_find_a_key_each"


class EndsTheProcessWhenItIsMade(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        raise SystemExit("no place is set")


class RaisesWhenItIsMade(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        raise ValueError("no place is set")


class ReadsWhenItIsMade(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        made = super().from_settings(settings)
        if made is not None:
            with contextlib.suppress(CredentialError):
                made.get_credential()
        return made


class LogsInWhenItIsMade(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), 1).close()
        return super().from_settings(settings)


class ReadsTheEnvironmentWhenItIsMade(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        os.environ.get("VECTORSHIFT_MINE_PLACE")
        return super().from_settings(settings)


class IsMadeForAnotherPlace(Sound):
    fails = MADE
    place = "here"

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        made = super().from_settings(settings)
        if made is not None:
            made.place = "elsewhere"
        return made

    def describe(self) -> Description:
        return Description(configured=True, source=f"mine:{self.place}")


class TakesTheSettingsForGranted(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        return cls(STORES[str(OwnSettings.of(settings, "mine").place)])


class ReadsTheSettingsOfAnotherName(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        own = OwnSettings.of(settings, "yours")
        return cls(STORES[own.place]) if own.place else None


class MakesWhatIsNoProvider(Sound):
    fails = MADE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        return 7 if OwnSettings.of(settings, "mine").place else None


class IsOneForAllSettings(Sound):
    fails = PLACE
    made: Any = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        if cls.made is None:
            cls.made = super().from_settings(settings)
        return cls.made

    def get_credential(self) -> Credential:
        store = STORES["here"] if self is type(self).made else self.store
        return self.answer(store.read(self.name).secret.reveal())


class KeepsASecondPlaceToItself(Sound):
    fails = PLACE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        return cls(STORES["here"]) if OwnSettings.of(settings, "mine").place else None


class LeavesTheTokenOut(Sound):
    fails = PLACE

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        own = OwnSettings.of(settings, "mine")
        return cls(STORES[own.place]) if own.place else None

    def before(self) -> None:
        if self.token is None:
            raise Denied("mine:here wants a token.")


class KeepsItsPlaceOnItsClass(Sound):
    """The one that was made last has the say for all."""

    fails = TWO
    last: ClassVar[Any] = None

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        type(self).last = store

    def get_credential(self) -> Credential:
        return self.answer(type(self).last.read(self.name).secret.reveal())


class KeepsItsPlaceInAModuleWhileItReads(Sound):
    fails = TWO
    client = argparse.Namespace(store=None)

    def get_credential(self) -> Credential:
        self.client.store = self.store
        time.sleep(0.01)
        return self.answer(self.client.store.read(self.name).secret.reveal())


class TakesTheKeyOfAnotherPlaceIfItsOwnIsEmpty(Sound):
    fails = TWO

    def failed(self, error: CredentialError) -> Credential:
        other = STORES.get("there")
        if isinstance(error, NotFound) and other is not None:
            return self.answer(other.read(self.name).secret.reveal())
        raise error


class KeepsItsAnswersByTheirVersion(Sound):
    fails = TWO
    kept: ClassVar[dict[Any, Secret]] = {}

    def get_credential(self) -> Credential:
        found = self.store.read(self.name)
        version = (STORES["here"], found.version)  # each test has a store of its own
        return self.answer(self.kept.setdefault(version, found.secret).reveal())


# --- Describing, invalidating, closing ------------------------------------------------------------

DESCRIBE = "describe_answers_without_contact_and_does_not_raise"
CLOSE = "a_closed_provider_can_be_closed_again_and_asked_again"
INVALIDATE = "invalidate_reads_nothing_and_does_not_raise"


def compute(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


class RaisesOnDescribe(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        raise RuntimeError("not connected")


class DescribesItselfInText(Sound):
    fails = DESCRIBE

    def describe(self) -> Any:
        return "mine:here"


class ReadsOnDescribe(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        with contextlib.suppress(CredentialError):
            self.store.read()
        return super().describe()


class ConnectsOnDescribe(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        with contextlib.suppress(OSError):
            socket.getaddrinfo("localhost", 9)
        return super().describe()


class RunsACommandOnDescribe(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        child = os.posix_spawn("/bin/true", ["true"], {})
        os.waitpid(child, 0)
        return super().describe()


class SleepsOnDescribe(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        time.sleep(0.1)
        return super().describe()


class ComputesOnDescribe(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        compute(0.1)
        return super().describe()


class DescribesItselfWithControlCharacters(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        return Description(configured=True, source="mine:here", detail="a\n\x1b[2Jb")


class SaysThatItIsNotConfigured(Sound):
    fails = DESCRIBE

    def describe(self) -> Description:
        return Description(configured=False, source="mine:here")


class DescribesAnotherSourceWhenBroken(Sound):
    fails = "describe_answers_while_the_source_is_broken"

    def describe(self) -> Description:
        place = "here" if self.store._failure is None else "nowhere"
        return Description(configured=True, source=f"mine:{place}")


class AnswersWithAnotherKeyOnceRefused(Sound):
    fails = INVALIDATE
    rejected = False

    def invalidate(self, rejected: Credential) -> None:
        self.rejected = True

    def answer(self, key: str, **more: Any) -> Credential:
        return super().answer("vs-of-another-organisation" if self.rejected else key, **more)


class FailsForEverOnceRefused(Sound):
    fails = INVALIDATE
    rejected = False

    def invalidate(self, rejected: Credential) -> None:
        self.rejected = True

    def before(self) -> None:
        if self.rejected:
            raise Denied("the key was refused")


class ReadsOnInvalidate(Sound):
    fails = INVALIDATE

    def invalidate(self, rejected: Credential) -> None:
        with contextlib.suppress(CredentialError):
            self.get_credential()


class RaisesOnInvalidate(Sound):
    fails = INVALIDATE

    def invalidate(self, rejected: Credential) -> None:
        raise NotImplementedError


class RaisesOnClose(Sound):
    fails = CLOSE

    def close(self) -> None:
        raise RuntimeError("not open")


class CannotBeClosedTwice(Sound):
    fails = CLOSE
    closed = False

    def close(self) -> None:
        if self.closed:
            raise RuntimeError("closed")
        self.closed = True


class HangsOnClose(Sound):
    fails = CLOSE
    hooks: ClassVar[dict[str, Any]] = SHORT

    def close(self) -> None:
        END.wait()


class IsOfNoUseOnceClosed(Sound):
    fails = CLOSE
    closed = False

    def close(self) -> None:
        self.closed = True

    def before(self) -> None:
        if self.closed:
            raise Unavailable("closed")


class ClosesAClientThatOthersUse(Sound):
    fails = CLOSE
    clients: ClassVar[dict[MemoryStore, bool]] = {}

    def __init__(self, store: MemoryStore, token: Secret | None = None) -> None:
        super().__init__(store, token)
        self.clients[store] = True

    def close(self) -> None:
        self.clients[self.store] = False

    def before(self) -> None:
        if not self.clients[self.store]:
            raise Unavailable("the client is closed")


class BreaksAReadWhenClosed(Sound):
    fails = CLOSE
    client: Any = None

    def get_credential(self) -> Credential:
        if self.client is None:
            self.client = self.store
        time.sleep(0.002)
        return self.answer(self.client.read(self.name).secret.reveal())

    def close(self) -> None:
        self.client = None


# --- What no test sees ----------------------------------------------------------------------------


class LogsTheKeyAtTheHundredthRead(LogsTheKeyAtTheTwelfthRead):
    """The kit reads fifteen times."""

    fails = ""

    def answer(self, key: str, **more: Any) -> Credential:
        self.read += 1
        if self.read == 100:
            logs(key)
        return Sound.answer(self, key, **more)


class LogsTheKeyAMinuteLater(Sound):
    """The kit waits a second for threads."""

    fails = ""
    timer: ClassVar[Any] = None

    def answer(self, key: str, **more: Any) -> Credential:
        if self.timer is None:
            type(self).timer = timer = threading.Timer(60, logs, [key])
            timer.daemon = True
            timer.start()
        return super().answer(key, **more)


class EncryptsTheKeyIntoItsLog(Sound):
    """What is no form of the key that the kit knows, cannot be told from other text."""

    fails = ""

    def answer(self, key: str, **more: Any) -> Credential:
        logs("".join(chr(ord(each) ^ 1) for each in key))
        return super().answer(key, **more)


class DeletesAFileWithTheKey(Sound):
    """The kit looks at files that are still there."""

    fails = ""

    def answer(self, key: str, **more: Any) -> Credential:
        with tempfile.NamedTemporaryFile("w", dir=FOLDER) as file:
            file.write(key)
        return super().answer(key, **more)


class KeepsTheKeyForAThread(Sound):
    """What is a thread's own cannot be seen from another."""

    fails = ""
    mine = threading.local()

    def answer(self, key: str, **more: Any) -> Credential:
        self.mine.last = key
        return super().answer(key, **more)


class SeedsTheRandomNumbers(Sound):
    """Random numbers that are used change the same state."""

    fails = ""

    def before(self) -> None:
        random.seed(7)


class SendsTheKeyElsewhere(Sound):
    """A contact in a getter is what a getter is for."""

    fails = ""

    def answer(self, key: str, **more: Any) -> Credential:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(key.encode(), ("127.0.0.1", 9))
        return super().answer(key, **more)


class RetriesWithoutBeingCounted(Sound):
    """Without `reads`, the kit cannot count."""

    fails = ""
    hooks: ClassVar[dict[str, Any]] = {"reads": lambda self: None}

    def failed(self, error: CredentialError) -> Credential:
        for _ in range(5):
            with contextlib.suppress(CredentialError):
                self.store.read(self.name)
        raise error
