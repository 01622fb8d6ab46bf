"""Every combination of what may stand in the sources, against an oracle written from the words of
the design alone.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from vectorshift import Credential, ProviderChain, Secret, Settings, errors
from vectorshift.providers import (
    CredentialProvider,
    Description,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from vectorshift.testing.moto import MotoServer
    from vectorshift.testing.openbao import OpenBaoServer

VARIABLE = "VECTORSHIFT_API_KEY"
CONTENT = {"present": "vs-{}", "empty": " ", "malformed": "two words"}
LOCAL = ("absent", "present", "empty", "malformed")
DOTENV = (*LOCAL, "named, but missing")
REMOTE = ("absent", "present", "empty", "malformed", "denied", "revoked", "down")


# --- The oracle: what the design says, in its own words -------------------------------------------

WORDS = {
    "absent": "not found",
    "present": "key",
    "malformed": "configuration",
    "named, but missing": "configuration",
    "denied": "denied",
    "revoked": "revoked",
    "down": "unavailable",
}
EMPTY_IS_NOT_FOUND = ("env", "dotenv")
"""Empty or blank in the environment or a dotenv file is not found; given in code or in a key file,
configuration.
"""
KINDS: dict[str, type[errors.CredentialError]] = {
    "not found": errors.CredentialNotFoundError,
    "configuration": errors.CredentialConfigurationError,
    "denied": errors.CredentialDeniedError,
    "revoked": errors.CredentialRevokedError,
    "unavailable": errors.CredentialStoreUnavailableError,
}


@dataclass(frozen=True)
class Place:
    """What stands in one source, and the user's word about it."""

    name: str
    state: str
    on_error: Literal["stop", "continue"] = "stop"
    on_missing: Literal["stop", "continue"] = "continue"


def says(place: Place) -> str:
    """Return a source's own outcome."""
    if place.state == "empty":
        store_is_empty = place.name in ("vault", "aws")  # there is no such secret
        return (
            "not found" if place.name in EMPTY_IS_NOT_FOUND or store_is_empty else "configuration"
        )
    return WORDS[place.state]


def expected(explicit: str, env: str, file: str, *below: Place) -> tuple[str, str, list[str]]:
    """Return the outcome, the source that it comes from, and the outcome of each source that was
    asked.
    """
    variable_is_set = env in ("present", "malformed")
    if variable_is_set and file != "absent":
        second = ("env", "configuration")  # both at once is an error
    elif file != "absent":
        second = ("file", says(Place("file", file)))  # an unreadable file is an error, never a skip
    else:
        second = ("env", says(Place("env", env)))
    asked: list[str] = []
    failures: list[tuple[str, str]] = []
    for name, outcome, place in [
        ("explicit", says(Place("explicit", explicit)), None),
        (*second, None),
        *((place.name, says(place), place) for place in below),
    ]:
        asked.append(outcome)
        if outcome == "key":
            return outcome, name, asked
        if outcome == "not found":
            if place is not None and place.on_missing == "stop" and place.state != "absent":
                return "configuration", name, asked
        elif place is None or place.on_error == "stop":
            return outcome, name, asked
        else:
            failures.append((outcome, name))
    outcome, name = failures[0] if failures else ("missing", "chain")
    return outcome, name, asked


# --- The chain: our own local sources on real files, the stores in memory -------------------------


class Store(CredentialProvider):
    """A store in memory, remote as the real ones are, so that it is cached and asked in a
    thread.
    """

    def __init__(self, place: Place) -> None:
        self.name, self.state = place.name, place.state
        self.on_error, self.on_missing = place.on_error, place.on_missing
        self.asked = 0

    def describe(self) -> Description:
        return Description(configured=True, source=self.name, locator=True)

    def get_credential(self) -> Credential:
        self.asked += 1
        if self.state in CONTENT and self.state != "empty":
            return Credential(
                secret=CONTENT[self.state].format(self.name), source=self.name, provider=self.name
            )
        raise KINDS["not found" if self.state == "empty" else WORDS[self.state]](self.state)


@contextmanager
def environment(state: str) -> Iterator[None]:
    """The variable as `state` says."""
    if state != "absent":
        os.environ[VARIABLE] = CONTENT[state].format("env")
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A key file and a folder with a `.env` for each state."""
    for state, content in CONTENT.items():
        (tmp_path / f"file-{state}").write_text(content.format("file"))
        (tmp_path / state).mkdir()
        (tmp_path / state / ".env").write_text(f"{VARIABLE}='{content.format('dotenv')}'\n")
    (tmp_path / "absent").mkdir()
    return tmp_path


def explicit_of(state: str) -> ExplicitProvider:
    if state == "absent":
        return ExplicitProvider()
    return ExplicitProvider(CONTENT[state].format("explicit"))


def local(files: Path, explicit: str, file: str, dotenv: str) -> list[CredentialProvider]:
    if dotenv in LOCAL:
        os.chdir(files / dotenv)  # where a `.env` is looked for
    return [
        explicit_of(explicit),
        EnvProvider() if file == "absent" else EnvProvider(file=files / f"file-{file}"),
        DotenvProvider() if dotenv in LOCAL else DotenvProvider(files / "none.env"),
    ]


async def sync(chain: ProviderChain) -> Credential:
    return chain.get_credential()


async def asynchronous(chain: ProviderChain) -> Credential:
    return await chain.aget_credential()


async def got(
    chain: ProviderChain, ask: Callable[[ProviderChain], Awaitable[Credential]]
) -> tuple[str, str, Any]:
    """Return the outcome and its source, and the attempts where there are any."""
    try:
        credential = await ask(chain)
    except errors.MissingCredentialError as error:
        return "missing", "chain", [attempt.outcome for attempt in error.attempts]
    except errors.CredentialError as error:
        outcome = next(word for word, kind in KINDS.items() if type(error) is kind)
        return outcome, short(error.source), None
    assert credential.secret == Secret(f"vs-{short(credential.source)}")
    return "key", short(credential.source), None


def short(source: str | None) -> str:
    return str(source).partition(":")[0]


def mismatch(result: tuple[str, str, Any], oracle: tuple[str, str, list[str]]) -> str:
    """Return what differs, in words, or nothing. A conflict of variable and file may be told of
    either.
    """
    outcome, source, asked = result
    if outcome != oracle[0] or (source != oracle[1] and {source, oracle[1]} != {"env", "file"}):
        return f"{outcome} of {source} instead of {oracle[0]} of {oracle[1]}"
    if (
        asked is not None
        and [each.replace("not configured", "not found") for each in asked] != oracle[2]
    ):
        return f"attempts {asked} instead of {oracle[2]}"
    return ""


@pytest.mark.parametrize("style", [sync, asynchronous])
@pytest.mark.parametrize("explicit", LOCAL)
def test_every_combination_of_six_sources_ends_as_the_design_says(
    files: Path, explicit: str, style: Callable[[ProviderChain], Awaitable[Credential]]
) -> None:
    async def all_of_them() -> list[str]:
        wrong: list[str] = []
        for env, file, dotenv, vault, aws in itertools.product(LOCAL, LOCAL, DOTENV, LOCAL, LOCAL):
            places = (Place("dotenv", dotenv), Place("vault", vault), Place("aws", aws))
            stores = [Store(place) for place in places[1:] if place.state != "absent"]
            oracle = expected(explicit, env, file, *(place for place in places if keep(place)))
            with environment(env):
                chain = ProviderChain([*local(files, explicit, file, dotenv), *stores])
                flaw = mismatch(await got(chain, style), oracle)
            asked = sum(store.asked for store in stores)
            if asked != max(0, len(oracle[2]) - 3):  # the first three are local
                flaw += f" {asked} stores were asked"
            if flaw:
                wrong.append(f"{(explicit, env, file, dotenv, vault, aws)}: {flaw}")
        return wrong

    assert asyncio.run(all_of_them()) == []


def keep(place: Place) -> bool:
    """A store that is not configured is no member of a chain that is made in code."""
    return place.name == "dotenv" or place.state != "absent"


WISHES = list(itertools.product(("stop", "continue"), ("stop", "continue")))


@pytest.mark.parametrize("style", [sync, asynchronous])
def test_the_user_s_word_about_stores_that_fail_and_stores_that_are_empty_is_kept(
    files: Path, style: Callable[[ProviderChain], Awaitable[Credential]]
) -> None:
    async def all_of_them() -> list[str]:
        wrong: list[str] = []
        for vault, aws, one, other in itertools.product(REMOTE[1:], REMOTE[1:], WISHES, WISHES):
            places = (Place("vault", vault, *one), Place("aws", aws, *other))
            oracle = expected("absent", "empty", "absent", Place("dotenv", "absent"), *places)
            with environment("empty"):
                chain = ProviderChain(
                    [*local(files, "absent", "absent", "absent"), *map(Store, places)]
                )
                if flaw := mismatch(await got(chain, style), oracle):
                    wrong.append(f"{places}: {flaw}")
        return wrong

    assert asyncio.run(all_of_them()) == []


# --- The same with the real stores, through the settings ------------------------------------------


@pytest.fixture(scope="module")
def real(openbao: OpenBaoServer, moto: MotoServer) -> dict[str, str]:
    """Both stores, with a secret for each state."""
    for state in ("present", "malformed"):
        openbao.write(f"matrix/{state}", {"api_key": CONTENT[state].format("vault")})
        moto.put(f"matrix/{state}", CONTENT[state].format("aws"))
    openbao.write("matrix/revoked", {"api_key": "vs-vault"})
    openbao.delete("matrix/revoked")
    moto.put("matrix/revoked", "vs-aws")
    moto.delete("matrix/revoked")
    return {**openbao.environment(), **moto.environment()}


@pytest.mark.parametrize("style", [sync, asynchronous])
def test_real_stores_end_as_the_oracle_says(
    files: Path,
    real: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    style: Callable[[ProviderChain], Awaitable[Credential]],
) -> None:
    for name, value in real.items():
        monkeypatch.setenv(name, value)
    stores = ("absent", "present", "empty", "malformed", "revoked")

    async def all_of_them() -> list[str]:
        wrong: list[str] = []
        for env, file, dotenv, vault, aws in itertools.product(LOCAL, LOCAL, LOCAL, stores, stores):
            is_reached = (file, dotenv) == ("absent", "absent")
            if not is_reached and not {vault, aws} <= {"absent", "present"}:
                continue  # mostly: what there is in a store makes no difference
            os.chdir(files / dotenv)
            given = (
                {}
                if file == "absent"
                else {"VECTORSHIFT_API_KEY_FILE": str(files / f"file-{file}")}
            )
            given |= {} if vault == "absent" else {"VECTORSHIFT_VAULT_PATH": f"matrix/{vault}"}
            given |= {} if aws == "absent" else {"VECTORSHIFT_AWS_SECRET_ID": f"matrix/{aws}"}
            places = (Place("dotenv", dotenv), Place("vault", vault), Place("aws", aws))
            with environment(env):
                chain = ProviderChain.from_settings(Settings.load({**os.environ, **given}))
                result = await got(chain, style)
                chain.close()
            if flaw := mismatch(result, expected("absent", env, file, *places)):
                wrong.append(f"{(env, file, dotenv, vault, aws)}: {flaw}")
        return wrong

    assert asyncio.run(all_of_them()) == []
