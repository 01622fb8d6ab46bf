"""Whatever text stands in whatever source, the result is a valid key or the right error, and no
output has the text.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import pickle
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, example, given, settings, strategies as st

import vectorshift
from vectorshift import (
    AwsSecretsManagerProvider,
    Credential,
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    DotenvProvider,
    EnvProvider,
    ExplicitProvider,
    MissingCredentialError,
    ProviderChain,
    Report,
    Settings,
    VaultProvider,
    aexplain,
    explain,
    using,
)
from vectorshift.providers.login import LoginProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vectorshift.credentials.provider import CredentialProvider
    from vectorshift.testing.moto import MotoServer
    from vectorshift.testing.openbao import OpenBaoServer

    Visible = Callable[[BaseException], str]
    Holder = Callable[[str, Path], CredentialProvider]

MARK = "3f9c2e71d8a04b56"
"""Stands in every text of this file, and nowhere else."""
VARIABLE = "VECTORSHIFT_API_KEY"


# --- Texts ----------------------------------------------------------------------------------------

AROUND = [
    "",
    " ",
    "\n",
    "\r\n",
    "\t",
    "\ufeff",
    "\0",
    "\x1b[31m",
    "\ud800",
    "\u2028",
    "é",
    "=",
    "#",
    "$",
    "${HOME}",
]
PAIRS = [
    ("", ""),
    ('"', '"'),
    ("'", "'"),
    ("`", "`"),
    ("{", "}"),
    ("[", "]"),
    ("map[", "]"),
    ("data: map[a:", "]"),
]
STARTS = [
    "",
    "Bearer ",
    "bearer ",
    "Authorization: Bearer ",
    f"{VARIABLE}=",
    "api_key: ",
    "vs-",
    "x" * 8192,
]
JSON = st.recursive(
    st.just(MARK) | st.integers() | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["api_key", "é x", ""]), inner)
    ),
    max_leaves=5,
)
KEYS = st.from_regex(r"[A-Za-z0-9_-]{0,20}", fullmatch=True).map(lambda rest: f"{rest}{MARK}{rest}")

TEXTS = st.one_of(
    KEYS,
    st.tuples(st.text(max_size=40), st.text(max_size=40)).map(MARK.join),
    st.tuples(st.sampled_from(AROUND), st.sampled_from(AROUND)).map(MARK.join),
    st.tuples(st.sampled_from(STARTS), st.sampled_from(PAIRS), st.sampled_from(AROUND)).map(
        lambda parts: f"{parts[0]}{parts[1][0]}{MARK}{parts[2]}{parts[1][1]}"
    ),
    JSON.map(json.dumps).filter(lambda text: MARK in text),
    st.lists(st.just(f"{VARIABLE}={MARK}"), min_size=2, max_size=3).map("\n".join),
)
WRITABLE = TEXTS.filter(lambda text: not re.search("[\ud800-\udfff]", text))


@pytest.fixture(scope="module", autouse=True)
def _settings() -> Iterator[None]:
    """A report of these texts is about the settings of nobody."""
    vectorshift.configure(settings=Settings())
    yield
    vectorshift.reset()


# --- What is looked at ----------------------------------------------------------------------------


@contextmanager
def every_log_line() -> Iterator[list[str]]:
    """Collect what every logger says at DEBUG, with arguments and tracebacks."""
    lines: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(
                f"{record.getMessage()} {record.args!r} {record.exc_info!r} {record.__dict__!r}"
            )

    root, handler = logging.getLogger(), Collecting(logging.DEBUG)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def ask(provider: CredentialProvider) -> Credential | CredentialError:
    try:
        return provider.get_credential()
    except CredentialError as error:
        return error


async def aask(provider: CredentialProvider) -> Credential | CredentialError:
    try:
        return await provider.aget_credential()
    except CredentialError as error:
        return error


def check(
    provider: CredentialProvider, shown: Visible, hidden: str = MARK
) -> list[Credential | CredentialError]:
    """Ask alone and in a chain, sync and async; return the answers, after a look at all that they
    put out.
    """
    chain = ProviderChain([provider])
    answers: list[Credential | CredentialError] = []

    async def later() -> Report:
        answers.extend([await aask(provider), await aask(chain)])
        with using(chain):
            return await aexplain(probe=True)

    with every_log_line() as lines:
        answers += [ask(provider), ask(chain)]
        reports = [asyncio.run(later())]
        with using(chain):
            reports.append(explain(probe=True))
    said = [
        *lines,
        *map(str, reports),
        *map(repr, reports),
        repr(provider),
        repr(provider.describe()),
        repr(chain.describe()),
    ]
    for answer in answers:
        said += [str(answer), repr(answer), repr(pickle.dumps(answer))]
        if isinstance(answer, CredentialError):
            assert isinstance(answer, CredentialConfigurationError | CredentialNotFoundError), (
                answer
            )
            said.append(shown(answer))
        else:
            assert re.fullmatch("[!-~]{1,8192}", answer.secret.reveal())
    assert [text for text in said if hidden in text] == []
    return answers


def keys_in(answers: list[Credential | CredentialError]) -> set[str]:
    return {answer.secret.reveal() for answer in answers if isinstance(answer, Credential)}


def could_be_a_key(text: str) -> bool:
    """What everybody would call a key; other texts may be one or not."""
    return re.fullmatch("[A-Za-z0-9_-]{1,8192}", text.strip()) is not None


# --- Local sources: many texts --------------------------------------------------------------------


def _given(text: str, folder: Path) -> CredentialProvider:
    return ExplicitProvider(text)


def _returned(text: str, folder: Path) -> CredentialProvider:
    return ExplicitProvider(lambda: text)


def _returned_later(text: str, folder: Path) -> CredentialProvider:
    async def key() -> str:
        return text

    return ExplicitProvider(key)


def _in_the_environment(text: str, folder: Path) -> CredentialProvider:
    try:
        os.environ[VARIABLE] = text
    except ValueError:  # a NUL, or what the system's encoding has not
        assume(False)
    return EnvProvider()


def _written(text: str, path: Path) -> Path:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    return path


def _in_a_key_file(text: str, folder: Path) -> CredentialProvider:
    return EnvProvider(file=_written(text, folder / "key"))


def _handed_over_by_systemd(text: str, folder: Path) -> CredentialProvider:
    return EnvProvider(credentials_directory=_written(text, folder / "vectorshift_api_key").parent)


HOLDERS: list[Holder] = [
    _given,
    _returned,
    _returned_later,
    _in_the_environment,
    _in_a_key_file,
    _handed_over_by_systemd,
]


@pytest.mark.parametrize("hold", HOLDERS)
@given(text=TEXTS)
@example(text=MARK)
@example(text=f"{MARK}\n")
@example(text=json.dumps({"api_key": MARK}, indent=2))
@example(text=f"data: map[api_key:{MARK}]\nmetadata: map[created_time:x]")
def test_a_text_that_stands_alone_is_the_key_or_refused(
    hold: Holder, text: str, shown: Visible
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            answers = check(hold(text, Path(folder)), shown)
        finally:
            os.environ.pop(VARIABLE, None)
    bare = text.replace("\ufeff", "").strip()
    assert keys_in(answers) in (set(), {bare})
    assert (
        len({isinstance(answer, Credential) for answer in answers}) == 1
    )  # alone, in a chain, sync and async
    if could_be_a_key(text):
        assert keys_in(answers) == {bare}
    assert not any(
        isinstance(answer, CredentialNotFoundError) for answer in answers
    )  # none of the texts is blank


@pytest.mark.parametrize("hold", HOLDERS)
@settings(max_examples=25)
@given(blank=st.text(st.sampled_from(" \t\r\n\f"), max_size=4))
def test_a_blank_text_is_nothing_in_the_environment_and_a_mistake_elsewhere(
    hold: Holder, blank: str, shown: Visible
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            answers = check(hold(blank, Path(folder)), shown)
        finally:
            os.environ.pop(VARIABLE, None)
    kind = CredentialNotFoundError if hold is _in_the_environment else CredentialConfigurationError
    assert {type(answer) for answer in answers} <= {kind, MissingCredentialError}
    assert all(isinstance(answer, kind) for answer in answers)


QUOTES = ["{}", '"{}"', "'{}'"]


@given(
    text=TEXTS,
    quotes=st.sampled_from(QUOTES),
    named=st.booleans(),
    more=st.sampled_from(["", "VECTORSHIFT_X=1\n"]),
)
def test_a_text_in_a_dotenv_file_is_a_key_or_refused(
    text: str, quotes: str, named: bool, more: str, shown: Visible
) -> None:
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        path = _written(f"{more}{VARIABLE}={quotes.format(text)}\n{more}", Path(folder, ".env"))
        os.chdir(folder)
        try:
            answers = check(DotenvProvider(path) if named else DotenvProvider(), shown)
        finally:
            os.chdir(here)
    if could_be_a_key(text) and text == text.strip():
        assert keys_in(answers) == {text}


@given(
    text=TEXTS,
    form=st.sampled_from(
        ['[auth]\napi_key = "{}"', "auth.api_key = '''{}'''", "[auth]\napi_key = {}"]
    ),
)
def test_a_text_in_what_the_official_tool_stored_is_a_key_or_refused(
    text: str, form: str, shown: Visible
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answers = check(
            LoginProvider(_written(form.format(text), Path(folder, "config.toml"))), shown
        )
    if could_be_a_key(text) and text == text.strip() and "= {}" not in form:
        assert keys_in(answers) == {text}


@given(content=st.tuples(st.binary(max_size=30), st.binary(max_size=30)).map(MARK.encode().join))
def test_any_bytes_in_any_file_are_a_key_or_refused(content: bytes, shown: Visible) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        for provider in (EnvProvider(file=path), DotenvProvider(path), LoginProvider(path)):
            check(provider, shown)


# --- The real stores: fewer texts -----------------------------------------------------------------

_number = itertools.count()
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@FEW
@given(text=WRITABLE)
def test_a_text_in_a_field_of_a_vault_is_the_key_or_refused(
    text: str, openbao: OpenBaoServer, shown: Visible
) -> None:
    path = f"any-text/{next(_number)}"
    openbao.write(path, {"api_key": text})
    with VaultProvider(path, addr=openbao.address, token=openbao.root_token) as provider:
        answers = check(provider, shown)
    assert keys_in(answers) in (set(), {text.replace("\ufeff", "").strip()})
    assert not any(isinstance(answer, CredentialNotFoundError) for answer in answers)
    if could_be_a_key(text):
        assert keys_in(answers) == {text.strip()}


@FEW
@given(text=WRITABLE, binary=st.booleans(), field=st.sampled_from([None, "api_key"]))
@example(text=f"\ufeff{MARK}", binary=False, field=None)
@example(text=f"\ufeff{MARK}", binary=True, field="api_key")
def test_a_text_in_aws_is_the_key_or_refused(
    text: str,
    binary: bool,
    field: str | None,
    moto: MotoServer,
    aws_session: object,
    shown: Visible,
) -> None:
    name = f"any-text/{next(_number)}"
    held = text if field is None else json.dumps({field: text})
    moto.put(name, held.encode() if binary else held)
    with AwsSecretsManagerProvider(
        name, field=field, session=aws_session, endpoint_url=moto.endpoint_url
    ) as provider:
        answers = check(provider, shown)
    bare = text.replace("\ufeff", "").strip()
    assert keys_in(answers) in (set(), {bare})
    assert not any(isinstance(answer, CredentialNotFoundError) for answer in answers)
    if could_be_a_key(text):
        assert keys_in(answers) == {bare}


@pytest.fixture(scope="module")
def aws_session(moto: MotoServer) -> object:
    """One session for all texts: a session is what takes time to make."""
    import boto3

    return boto3.Session("testing", "testing", region_name=moto.region)
