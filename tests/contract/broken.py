"""Providers with one fault each. `test_broken.py` runs the kit on them in a pytest of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import subprocess
import threading
import time
import warnings
from datetime import datetime, timedelta, timezone
from typing import Any, ClassVar, Literal

import pytest

from vectorshift import (
    Credential,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialProvider,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
    Description,
    Secret,
    Settings,
)
from vectorshift.credentials.events import CredentialEvent, announce
from vectorshift.testing import MemoryStore, ProviderContract

STORES: dict[str, MemoryStore] = {}


def place_in(settings: Settings) -> str:
    """Return where the settings lead; their values are secrets, as those of any plugin may be."""
    place = settings.plugins["mine"]["place"]
    return place.reveal() if isinstance(place, Secret) else str(place)


class Sound(CredentialProvider):
    """Nothing is wrong with it; the others change one thing."""

    name = "mine"

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        return cls(STORES[place_in(settings)]) if settings.plugins.get("mine") else None

    def describe(self) -> Description:
        return Description(configured=True, source="mine:here")

    def get_credential(self) -> Credential:
        return self.answer(self.store.read(self.name).secret.reveal())

    def answer(self, key: str, **more: Any) -> Credential:
        return Credential(**{"secret": key, "source": "mine:here", "provider": self.name, **more})


class SoundAsync(Sound):
    """The same in the other kind, sync or async."""

    get_credential = CredentialProvider.get_credential

    async def aget_credential(self) -> Credential:
        await self.wait()
        return self.answer(self.store.read(self.name).secret.reveal())

    async def wait(self) -> None:
        await asyncio.sleep(0.001)


class Checked(ProviderContract):
    provider: type[Sound] = Sound

    @pytest.fixture(autouse=True)
    def source(self) -> None:
        self.store = STORES["here"] = MemoryStore()

    def settings(self) -> Settings:
        return Settings(plugins={"mine": {"place": "here"}})

    def make(self) -> CredentialProvider:
        return self.provider(self.store)

    def make_second(self, key: str) -> CredentialProvider:
        STORES["there"] = MemoryStore(key)
        return self.provider(STORES["there"])

    def second_settings(self, key: str) -> Settings:
        STORES["there"] = MemoryStore(key)
        return Settings(plugins={"mine": {"place": "there"}})

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

    def reads(self) -> int:
        return self.store.reads


class TestSound(Checked):
    provider = Sound


class TestSoundAsync(Checked):
    provider = SoundAsync


class TestSoundWithAPinnedVersion(Checked):
    """Its place happens to have the version in its name."""

    class provider(Sound):
        def describe(self) -> Description:
            return Description(configured=True, source="mine:prod/key")

        def answer(self, key: str, **more: Any) -> Credential:
            return super().answer(key, **more, source="mine:prod/key", version="key")


class TestSoundWithALeaseForEachRead(Checked):
    leases = itertools.count(100)

    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            lease = next(TestSoundWithALeaseForEachRead.leases)
            return super().answer(key, **more, version=f"lease-{lease}")


class TestSoundWithAPoolOfFiveThreads(Checked):
    """What is kept for the next read is no leak."""

    class provider(Sound):
        kept = 0

        def get_credential(self) -> Credential:
            if self.kept < 5:
                self.kept += 1
                threading.Thread(target=threading.Event().wait, daemon=True).start()
            return super().get_credential()


@dataclasses.dataclass(frozen=True)
class Frozen(CredentialProvider):
    store: MemoryStore

    name = "mine"

    @classmethod
    def from_settings(cls, settings: Settings) -> Any:
        return cls(STORES[place_in(settings)]) if settings.plugins.get("mine") else None

    def describe(self) -> Description:
        return Description(configured=True, source="mine:here")

    def get_credential(self) -> Credential:
        key = self.store.read(self.name).secret
        return Credential(secret=key, source="mine:here", provider=self.name)


class TestSoundAndFrozen(Checked):
    provider = Frozen  # type: ignore[assignment]


class TestSoundAndNeverFresh(Checked):
    class provider(Sound):
        ttl = 0


# --- Outcomes ---


class TestAnswersWithoutAKey(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            return self.answer(super().get_credential().secret.reveal().upper())


class TestAnswersInAnothersName(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            return super().answer(key, **more, provider="other")


class TestAnswersWithTheKeyInItsSource(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            return super().answer(key, **more, source=f"mine:{key}")


class TestAnswersWithTheVersionInItsSource(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            found = self.store.read()
            return self.answer(found.secret.reveal(), source=f"mine:here@{found.version}")

        def describe(self) -> Description:
            return Description(configured=True, source=f"mine:here@{self.store._version}")


class TestDescribesAnotherSource(Checked):
    class provider(Sound):
        def describe(self) -> Description:
            return Description(configured=True, source="mine:there")


class TestRaisesKeyErrorWhenEmpty(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            try:
                return super().get_credential()
            except CredentialNotFoundError:
                raise KeyError("key") from None


class TestSaysNotFoundWhenBroken(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            try:
                return super().get_credential()
            except CredentialStoreUnavailableError:
                raise CredentialNotFoundError("nothing here") from None


class TestSaysNotFoundWhenRefused(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            try:
                return super().get_credential()
            except CredentialDeniedError:
                raise CredentialNotFoundError("nothing here") from None


class TestSaysRevokedWhenRefused(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            try:
                return super().get_credential()
            except CredentialDeniedError:
                raise CredentialRevokedError("gone") from None


class TestKeepsAFailure(Checked):
    class provider(Sound):
        failed = False

        def get_credential(self) -> Credential:
            if self.failed:
                raise CredentialStoreUnavailableError("still down, it seems")
            try:
                return super().get_credential()
            except CredentialStoreUnavailableError:
                self.failed = True
                raise


class TestCachesAValueForEver(Checked):
    class provider(Sound):
        kept: Credential | None = None

        def get_credential(self) -> Credential:
            self.kept = self.kept or super().get_credential()
            return self.kept


class ServesTheLast(Sound):
    """Hides one kind of failure behind the last answer."""

    hides: type[CredentialError]
    kept: Credential | None = None

    def get_credential(self) -> Credential:
        try:
            self.kept = super().get_credential()
        except self.hides:
            if self.kept is None:
                raise
        assert self.kept is not None
        return self.kept


class TestServesTheLastKeyWhenItIsGone(Checked):
    class provider(ServesTheLast):
        hides = CredentialNotFoundError


class TestServesTheLastKeyWhenBroken(Checked):
    class provider(ServesTheLast):
        hides = CredentialStoreUnavailableError


class TestServesTheLastKeyWhenRefused(Checked):
    class provider(ServesTheLast):
        hides = CredentialDeniedError


class InBothColours(Sound):
    """Its async getter asks the sync one in a thread."""

    async def aget_credential(self) -> Credential:
        try:
            return await asyncio.to_thread(self.get_credential)
        except CredentialError as error:
            return self.failed(error)

    def failed(self, error: CredentialError) -> Credential:
        raise error


class KeepsForAsync(InBothColours):
    """Serves async callers the first key, or the last one where `hides` was raised."""

    hides: type[CredentialError] | None = None
    kept: Credential | None = None

    async def aget_credential(self) -> Credential:
        if self.kept is None or self.hides is not None:
            self.kept = await super().aget_credential()
        return self.kept

    def failed(self, error: CredentialError) -> Credential:
        if self.hides is None or self.kept is None or not isinstance(error, self.hides):
            raise error
        return self.kept


class TestCachesAValueForEverForAsync(Checked):
    provider = KeepsForAsync


class TestServesAsyncTheLastKeyWhenItIsGone(Checked):
    class provider(KeepsForAsync):
        hides = CredentialNotFoundError


class TestHangsWhenBroken(Checked):
    patience = 1.0

    class provider(Sound):
        def get_credential(self) -> Credential:
            try:
                return super().get_credential()
            except CredentialStoreUnavailableError:
                threading.Event().wait()
                raise


class TestHangsWhenBrokenInAsync(Checked):
    patience = 1.0

    class provider(SoundAsync):
        async def aget_credential(self) -> Credential:
            try:
                return await super().aget_credential()
            except CredentialStoreUnavailableError:
                await asyncio.Event().wait()
                raise


class TestSaysNotFoundToAsyncWhenBroken(Checked):
    class provider(InBothColours):
        def failed(self, error: CredentialError) -> Credential:
            if isinstance(error, CredentialStoreUnavailableError):
                raise CredentialNotFoundError("nothing here") from None
            raise error


class TestSaysNotFoundToAsyncWhenRefused(Checked):
    class provider(InBothColours):
        def failed(self, error: CredentialError) -> Credential:
            if isinstance(error, CredentialDeniedError):
                raise CredentialNotFoundError("nothing here") from None
            raise error


class TestAnswersWithAnExpiredKey(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            return super().answer(
                key, **more, expires_at=datetime.now(timezone.utc) - timedelta(hours=1)
            )


# --- Values ---


class TestRefusesWhiteSpace(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            if key != key.strip() and key.strip():
                raise CredentialConfigurationError("mine:here has white space around it.")
            return super().answer(key, **more)


class TestShowsAMalformedValue(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            if "{" in key:
                raise CredentialConfigurationError(f"mine:here holds {key}.")
            return super().answer(key, **more)


class TestSaysNotFoundWhenMalformed(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            if "\n" in key.strip():
                raise CredentialNotFoundError("mine:here holds no key.")
            return super().answer(key, **more)


# --- Sync, async and loops ---


class TestAnswersOtherwiseToAsync(Checked):
    class provider(Sound):
        async def aget_credential(self) -> Credential:
            found = self.store.read(self.name)
            return self.answer(found.secret.reveal(), source="mine:elsewhere")


class TestFailsOtherwiseInAsync(Checked):
    class provider(Sound):
        async def aget_credential(self) -> Credential:
            try:
                return self.get_credential()
            except CredentialNotFoundError:
                raise CredentialConfigurationError("nothing here") from None


class TestIsBoundToALoop(Checked):
    class provider(SoundAsync):
        loop: asyncio.AbstractEventLoop | None = None

        async def wait(self) -> None:
            self.loop = self.loop or asyncio.get_running_loop()
            ready = self.loop.create_future()
            self.loop.call_later(0.001, ready.set_result, None)
            await ready


class TestKeepsALock(Checked):
    patience = 0.5

    class provider(SoundAsync):
        def __init__(self, store: MemoryStore) -> None:
            super().__init__(store)
            self.lock = asyncio.Lock()

        async def wait(self) -> None:
            async with self.lock:
                await super().wait()


class TestIsLocalAndForAsyncioAlone(Checked):
    class provider(SoundAsync):
        remote = False


class TestBlocksTheLoop(Checked):
    class provider(SoundAsync):
        async def wait(self) -> None:
            time.sleep(0.01)


class TestBlocksTheLoopWhenBroken(Checked):
    class provider(InBothColours):
        def failed(self, error: CredentialError) -> Credential:
            if isinstance(error, CredentialStoreUnavailableError):
                time.sleep(0.5)
            raise error


class TestSwallowsCancellation(Checked):
    class provider(SoundAsync):
        async def wait(self) -> None:
            try:
                await super().wait()
            except asyncio.CancelledError:
                raise CredentialStoreUnavailableError("interrupted") from None


class TestTriesAgainWhenCancelled(Checked):
    class provider(SoundAsync):
        async def wait(self) -> None:
            try:
                await super().wait()
            except BaseException:
                await super().wait()


class TestStaysLockedWhenCancelled(Checked):
    class provider(SoundAsync):
        def __init__(self, store: MemoryStore) -> None:
            super().__init__(store)
            self.busy: set[asyncio.AbstractEventLoop] = set()

        async def wait(self) -> None:
            loop = asyncio.get_running_loop()
            if loop in self.busy:
                raise CredentialStoreUnavailableError("busy")
            self.busy.add(loop)
            await asyncio.sleep(0)
            self.busy.remove(loop)


# --- Sharing ---


class TestMixesUpThreads(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            self.text = self.store.read().secret.reveal()
            time.sleep(0.01)
            text, self.text = self.text, ""
            return self.answer(text)


class TestReadsTwice(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            super().get_credential()
            return super().get_credential()


class TestKeepsAThreadForEachRead(Checked):
    class provider(Sound):
        def get_credential(self) -> Credential:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
            return super().get_credential()


class TestKeepsAFileForEachRead(Checked):
    class provider(Sound):
        def __init__(self, store: MemoryStore) -> None:
            super().__init__(store)
            self.files: list[int] = []

        def get_credential(self) -> Credential:
            self.files.append(os.open(os.devnull, os.O_RDONLY))
            return super().get_credential()

        def close(self) -> None:
            while self.files:
                os.close(self.files.pop())


class TestNeedsAThreadThatAForkDoesNotHave(Checked):
    class provider(Sound):
        def __init__(self, store: MemoryStore) -> None:
            super().__init__(store)
            self.asked, self.told = threading.Semaphore(0), threading.Semaphore(0)
            threading.Thread(target=self.work, daemon=True).start()
            self.answers: list[Any] = []

        def work(self) -> None:
            while True:
                self.asked.acquire()
                try:
                    self.answers.append(super().get_credential())
                except Exception as error:
                    self.answers.append(error)
                self.told.release()

        def get_credential(self) -> Credential:
            self.asked.release()
            if not self.told.acquire(timeout=2):
                raise CredentialStoreUnavailableError("nobody answers")
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            assert isinstance(answer, Credential)
            return answer


class TestTakesTheKeyAlongInAPickle(Checked):
    class provider(Sound):
        last = ""

        def get_credential(self) -> Credential:
            found = super().get_credential()
            self.last = found.secret.reveal()
            return found

        def __reduce__(self) -> tuple[Any, ...]:
            return str, (self.last,)


# --- Silence ---


class TestLeaksInItsLog(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            logging.getLogger("mine.http").debug("<- 200 %s", {"key": key})
            return super().answer(key, **more)


class TestLeaksInHexadecimal(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            logging.getLogger("mine.wire").debug("<- %s", key.encode().hex())
            return super().answer(key, **more)


class TestLeaksItsToken(Checked):
    def secrets(self) -> list[str]:
        return ["hvs.CAESIJ0m3TokenOfTheStore"]

    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            logging.getLogger("mine").info("asking with hvs.CAESIJ0m3TokenOfTheStore")
            return super().answer(key, **more)


class TestPrints(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            print("found", key[:14])
            return super().answer(key, **more)


class TestWritesOnADescriptor(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            os.write(2, f"found {key}\n".encode())
            return super().answer(key, **more)


class TestRunsAProgramThatPrints(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            subprocess.run(["cat"], input=key.encode(), check=True)
            return super().answer(key, **more)


@pytest.mark.filterwarnings("ignore:found")
class TestWarnsOfTheKey(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            warnings.warn(f"found {key}", stacklevel=1)
            return super().answer(key, **more)


class TestPutsTheKeyIntoTheEnvironment(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            os.environ["MINE_LAST"] = key.strip()
            return super().answer(key, **more)


class TestLeaksInItsRepr(Checked):
    class provider(Sound):
        last = ""

        def answer(self, key: str, **more: Any) -> Credential:
            self.last = key
            return super().answer(key, **more)

        def __repr__(self) -> str:
            return f"<Mine {self.last}>"

        def __reduce__(self) -> Any:
            raise TypeError("not to be pickled")


class TestLeaksInTheVersion(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            return super().answer(key, **more, version=key[::-1])


class TestLeaksInItsException(Checked):
    class provider(Sound):
        last = ""

        def answer(self, key: str, **more: Any) -> Credential:
            self.last = key
            return super().answer(key, **more)

        def get_credential(self) -> Credential:
            try:
                return super().get_credential()
            except CredentialError as error:
                raise type(error)(f"mine:here failed; the last key was {self.last}.") from None

        def __reduce__(self) -> Any:
            raise TypeError("not to be pickled")


class TestLeaksInTheCauseOfItsException(Checked):
    class provider(Sound):
        last = ""

        def answer(self, key: str, **more: Any) -> Credential:
            self.last = key
            return super().answer(key, **more)

        def get_credential(self) -> Credential:
            try:
                return super().get_credential()
            except CredentialError as error:
                raise type(error)("mine:here failed.") from ValueError(f"after {self.last}")

        def __reduce__(self) -> Any:
            raise TypeError("not to be pickled")


class TestAnnouncesTheKey(Checked):
    class provider(Sound):
        def answer(self, key: str, **more: Any) -> Credential:
            announce(
                CredentialEvent(kind="resolved", provider=key, source="mine:here", fingerprint=key)
            )
            return super().answer(key, **more)


# --- Chains ---


class TestIsAlwaysTheLast(Checked):
    class provider(Sound):
        on_missing: Literal["stop", "continue"] = "stop"


class TestIsPassedOverWhenItFails(Checked):
    class provider(Sound):
        on_error: Literal["stop", "continue"] = "continue"


class TestDecidesForTheUser(Checked):
    class provider(Sound):
        def __setattr__(self, name: str, value: Any) -> None:
            if name != "on_error":
                super().__setattr__(name, value)


# --- Life ---


class TestEndsTheProcessWhenItIsMade(Checked):
    class provider(Sound):
        @classmethod
        def from_settings(cls, settings: Settings) -> Any:
            raise SystemExit("no place is set")


class TestReadsWhenItIsMade(Checked):
    class provider(Sound):
        @classmethod
        def from_settings(cls, settings: Settings) -> Any:
            made = super().from_settings(settings)
            if made is not None:
                made.get_credential()
            return made


class TestIsMadeForAnotherPlace(Checked):
    class provider(Sound):
        place = "here"

        @classmethod
        def from_settings(cls, settings: Settings) -> Any:
            made = super().from_settings(settings)
            if made is not None:
                made.place = "elsewhere"
            return made

        def describe(self) -> Description:
            return Description(configured=True, source=f"mine:{self.place}")


class TestTakesTheSettingsForGranted(Checked):
    class provider(Sound):
        @classmethod
        def from_settings(cls, settings: Settings) -> Any:
            return cls(STORES[place_in(settings)])


class TestIsOneForAllSettings(Checked):
    """Whoever asked for it first has set its place for everybody."""

    class provider(Sound):
        made: Any = None

        @classmethod
        def from_settings(cls, settings: Settings) -> Any:
            if cls.made is None:
                cls.made = super().from_settings(settings)
            return cls.made


class TestIsOneForAllSettingsOfOnePlace(Checked):
    """It finds its source anew, and so shows with a second place alone."""

    class provider(Sound):
        made: Any = None

        @classmethod
        def from_settings(cls, settings: Settings) -> Any:
            if cls.made is None:
                cls.made = super().from_settings(settings)
            return cls.made

        def get_credential(self) -> Credential:
            store = STORES["here"] if self is type(self).made else self.store
            return self.answer(store.read(self.name).secret.reveal())


class TestKeepsASecondPlaceToItself(Checked):
    """Its settings have a field that nobody reads."""

    class provider(Sound):
        @classmethod
        def from_settings(cls, settings: Settings) -> Any:
            return cls(STORES["here"]) if settings.plugins.get("mine") else None


class TestLeavesTheTokenOut(Checked):
    """Its settings have a token, and what they make has none."""

    class provider(Sound):
        token = ""

        def get_credential(self) -> Credential:
            if not self.token:
                raise CredentialDeniedError("mine:here wants a token.")
            return super().get_credential()

    def make(self) -> CredentialProvider:
        made = super().make()
        made.token = "hvs.of-the-test"
        return made

    def make_second(self, key: str) -> CredentialProvider:
        made = super().make_second(key)
        made.token = "hvs.of-the-test"
        return made


class TestKeepsItsPlaceOnTheClass(Checked):
    """The one that was made last has the say for all."""

    class provider(Sound):
        last: Any = None

        def __init__(self, store: MemoryStore) -> None:
            super().__init__(store)
            type(self).last = store

        def get_credential(self) -> Credential:
            return self.answer(type(self).last.read(self.name).secret.reveal())


class TestKeepsItsPlaceInAModuleWhileItReads(Checked):
    """As one client of a store's library does for all providers, whose token each of them sets."""

    class provider(Sound):
        client = argparse.Namespace(store=None)

        def get_credential(self) -> Credential:
            self.client.store = self.store
            time.sleep(0.01)
            return self.answer(self.client.store.read(self.name).secret.reveal())


class TestKeepsItsAnswersOnTheClass(Checked):
    """They are kept by the version that a store tells, and all stores count from 1."""

    class provider(Sound):
        kept: ClassVar[dict[Any, str]] = {}

        def get_credential(self) -> Credential:
            found = self.store.read(self.name)
            version = (STORES["here"], found.version)  # each test has a store of its own
            return self.answer(self.kept.setdefault(version, found.secret.reveal()))


class TestRaisesOnDescribe(Checked):
    class provider(Sound):
        def describe(self) -> Description:
            raise RuntimeError("not connected")


class TestReadsOnDescribe(Checked):
    class provider(Sound):
        def describe(self) -> Description:
            with contextlib.suppress(CredentialError):
                self.store.read()
            return super().describe()


class TestDescribesTheKey(Checked):
    class provider(Sound):
        last = ""

        def answer(self, key: str, **more: Any) -> Credential:
            self.last = key
            return super().answer(key, **more)

        def describe(self) -> Description:
            return Description(configured=True, source="mine:here", detail=f"last {self.last}")

        def __reduce__(self) -> Any:
            raise TypeError("not to be pickled")


class TestSaysThatItIsNotConfigured(Checked):
    class provider(Sound):
        def describe(self) -> Description:
            return Description(configured=False, source="mine:here")


class TestAnswersWithAnotherKeyOnceRefused(Checked):
    class provider(Sound):
        rejected = False

        def invalidate(self, rejected: Credential) -> None:
            self.rejected = True

        def answer(self, key: str, **more: Any) -> Credential:
            return super().answer("vs-of-another-organisation" if self.rejected else key, **more)


class TestReadsOnInvalidate(Checked):
    class provider(Sound):
        def invalidate(self, rejected: Credential) -> None:
            self.get_credential()


class TestRaisesOnInvalidate(Checked):
    class provider(Sound):
        def invalidate(self, rejected: Credential) -> None:
            raise NotImplementedError


class TestCannotBeClosedTwice(Checked):
    class provider(Sound):
        closed = False

        def close(self) -> None:
            if self.closed:
                raise RuntimeError("closed")
            self.closed = True


class TestIsOfNoUseOnceClosed(Checked):
    class provider(Sound):
        closed = False

        def close(self) -> None:
            self.closed = True

        def get_credential(self) -> Credential:
            if self.closed:
                raise CredentialStoreUnavailableError("closed")
            return super().get_credential()
