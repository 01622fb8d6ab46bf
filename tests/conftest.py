"""An environment that names nothing, and real servers, started once a session."""

from __future__ import annotations

import errno
import os
import stat
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, cast

import hypothesis
import pytest

import vectorshift
from vectorshift._platform.log import begin_anew
from vectorshift.credentials.usage import usage
from vectorshift.testing.moto import MotoServer
from vectorshift.testing.openbao import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A machine may be slow: what an example takes says nothing of what is tested.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--whole` runs each combination, also where a sample is the rule."""
    parser.addoption("--whole", action="store_true", help="each combination, and no sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take a sample of the combinations of a test that is marked `crossed`: the diagonals of its
    table, so that each value of each parameter is there.
    """
    if config.getoption("--whole") or any("[" in each for each in config.args):
        return
    tables: dict[str, dict[str, int]] = {}
    crossed: list[tuple[pytest.Item, str, dict[str, int]]] = []
    for item in items:
        if item.get_closest_marker("crossed") and hasattr(item, "callspec"):
            test, at = item.nodeid.partition("[")[0], item.callspec.indices
            crossed.append((item, test, at))
            sizes = tables.setdefault(test, {})
            for name, index in at.items():
                sizes[name] = max(sizes.get(name, 0), index + 1)
    left_out = set()
    for item, test, at in crossed:
        several = [name for name, size in tables[test].items() if size > 1]
        if len(several) > 1:
            smallest = min(tables[test][name] for name in several)
            if sum(at[name] for name in several) % smallest:
                left_out.add(item)
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [each for each in items if each not in left_out]


@pytest.fixture(autouse=True)
def _scrubbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test starts in an empty folder that is its home, with no store and no proxy in the
    environment.
    """
    for name in list(os.environ):
        if name.startswith(
            (
                "VECTORSHIFT_",
                "VAULT_",
                "BAO_",
                "AWS_",
                "CREDENTIALS_DIRECTORY",
                "REQUESTS_CA_",
                "CURL_CA_",
            )
        ) or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    begin_anew()
    usage._after_fork()  # the numbers of a process are bounded, and those of other tests fill them
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Begin and end with nothing configured."""
    vectorshift.reset()
    yield
    vectorshift.reset()


@pytest.fixture
def no_folder_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system on which fsync fails for folders, as on some network mounts."""
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    """Secrets Manager on loopback. Each test takes secret names of its own."""
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBaoServer]:
    """A Vault API on loopback. Each test takes paths and mounts of its own."""
    with OpenBaoServer() as server:
        yield server


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both kinds of event loop, for the tests that are marked `anyio`."""
    return cast("str", request.param)


_TESTS = str(Path(__file__).parent)


@pytest.fixture(scope="session")
def shown() -> Callable[[BaseException], str]:
    """Return all that an error shows: texts, attributes, chain, and the locals of each frame but
    the tests' own.
    """

    def text(error: BaseException | None) -> str:
        if error is None:
            return ""
        said = [str(error), repr(error), str(vars(error))]
        for frame, _ in traceback.walk_tb(error.__traceback__):
            if not frame.f_code.co_filename.startswith(_TESTS):
                said += map(printed, frame.f_locals.values())
        return "\n".join([*said, text(error.__cause__), text(error.__context__)])

    def printed(value: object) -> str:
        try:
            return repr(value)
        except Exception as error:  # it is half made
            return type(error).__name__

    return text
