"""An environment that names nothing, and real servers, started once a session."""

from __future__ import annotations

import errno
import functools
import gc
import itertools
import os
import stat
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, cast

import hypothesis
import pytest
from tests import keyrings
from tests.call_styles import CALL_STYLES, CallStyle

import vectorshift
from vectorshift._platform.log import begin_anew
from vectorshift.credentials.usage import usage
from vectorshift.testing import FakeVectorShift
from vectorshift.testing.moto import MotoServer
from vectorshift.testing.openbao import OpenBaoServer

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from tests.certificates import Authority

# A machine may be slow: what an example takes says nothing of what is tested.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--whole` runs each combination, also where a sample is the rule."""
    parser.addoption("--whole", action="store_true", help="each combination, and no sample")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of a test that is marked `crossed`, keep few combinations in which every two values meet."""
    if config.getoption("--whole") or any("[" in each for each in config.args):
        return
    crossed: dict[str, dict[pytest.Item, dict[str, object]]] = {}
    for item in items:
        parameters = getattr(item, "callspec", None)
        if parameters is not None and item.get_closest_marker("crossed"):
            test = item.nodeid.partition("[")[0]
            crossed.setdefault(test, {})[item] = parameters.params
    gone = {item for each in crossed.values() for item in each} - {
        item for each in crossed.values() for item in _covering(each)
    }
    if gone:
        config.hook.pytest_deselected(items=list(gone))
        items[:] = [each for each in items if each not in gone]


def _covering(cases: dict[pytest.Item, dict[str, object]]) -> Iterator[pytest.Item]:
    """Yield the cases in which every two values meet: the one with most new pairs comes next.

    Sync code has no event loop: under trio it stands for no other pair.
    """
    pairs: dict[pytest.Item, set[object]] = {}
    for item, params in cases.items():
        values = [(name, id(value)) for name, value in params.items()]
        style = next((each for each in params.values() if isinstance(each, CallStyle)), None)
        if style and not style.prefix and "trio" in params.values():
            values = [each for each in values if params[each[0]] in (style, "trio")]
        pairs[item] = set(itertools.combinations(values, 2))
        if len(params) <= 2:
            yield item
    left = {pair for each in pairs.values() for pair in each}
    while left:
        item = max(pairs, key=lambda each: len(pairs[each] & left))
        left -= pairs[item]
        yield item


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are cores, as many tests wait."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Keep modules and tests out of garbage collections: those that tests ask for took a third of
    a second each.
    """
    gc.collect()
    gc.freeze()


_numbers = itertools.count()


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test's own; pytest's also keeps a link to the newest for each test."""
    path = tmp_path_factory.getbasetemp() / f"t{next(_numbers)}"
    path.mkdir(0o700)
    return path


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


@pytest.fixture
def api() -> Iterator[FakeVectorShift]:
    """The stand-in API on loopback, with nothing in it."""
    with FakeVectorShift() as running:
        yield running


@pytest.fixture
def keyring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A real keyring, of which this process knows."""
    if keyrings.MISSING:
        pytest.skip(f"no Secret Service without {' and '.join(keyrings.MISSING)}")
    with keyrings.secret_service(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield
    keyrings.collect()


@pytest.fixture(scope="session")
def one_loader() -> Iterator[None]:
    """Let the sessions of a process share what botocore reads from its own files, as the clients of
    one session do. It takes a third of the time of a small test.
    """
    import botocore.session

    loader = functools.cache(botocore.session.create_loader)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", loader)
        yield


@pytest.fixture(scope="session")
def moto(one_loader: None) -> Iterator[MotoServer]:
    """Secrets Manager on loopback. Each test takes secret names of its own."""
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def openbao() -> Iterator[OpenBaoServer]:
    """A Vault API on loopback. Each test takes paths and mounts of its own."""
    with OpenBaoServer() as server:
        yield server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that nobody trusts yet."""
    from tests.certificates import Authority

    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(params=["http", "https"])
def tls(
    request: pytest.FixtureRequest, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext | None:
    """Plain HTTP, and TLS with a certificate that this process trusts."""
    if request.param == "http":
        return None
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    return authority.context


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Both kinds of event loop, for the tests that are marked `anyio`."""
    return cast("str", request.param)


@pytest.fixture(params=CALL_STYLES, ids=repr)
def style(request: pytest.FixtureRequest) -> CallStyle:
    """Sync and async calls, for the tests that are written once."""
    return cast("CallStyle", request.param)


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
