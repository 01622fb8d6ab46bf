"""Providers of other packages: how they are found, what they may do, and what becomes of those that
fail.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import types
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from tests.fakes import until_told
from tests.interpreter import output

import vectorshift
from vectorshift import (
    AsyncVectorShift,
    CredentialConfigurationError,
    CredentialEvent,
    CredentialStoreUnavailableError,
    MissingCredentialError,
    ProviderChain,
    Settings,
    on_event,
)
from vectorshift._platform.entry_points import RESERVED, available
from vectorshift._platform.plugin_names import prefix_of
from vectorshift.chain.order import BUILT_IN, providers_of
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.providers.static import FailingProvider
from vectorshift.testing import FakeVectorShift, ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HIDDEN = "vs-Xq7fL0nevertobeseen"
NUMBER = itertools.count()

SIMPLE = """
    from vectorshift import Credential, CredentialNotFoundError, CredentialProvider

    class Provider(CredentialProvider):
        asked = 0
        key = "vs-plugin"

        def get_credential(self):
            self.asked += 1
            if self.key.startswith("down"):
                raise OSError(self.key)
            if not self.key:
                raise CredentialNotFoundError("The shelf is empty.")
            return Credential(secret=self.key, source="shelf:here", provider=self.name)
"""
ASYNC = SIMPLE.replace("def get_credential", "async def aget_credential")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Lay out a distribution as installers do, on a path of its own, and return the name of its
    module.
    """
    modules: list[str] = []

    def lay(
        code: str = SIMPLE,
        /,
        *,
        name: str = "shelf",
        distribution: str = "vectorshift-shelf",
        version: str = "1.2.3",
        attribute: str = "Provider",
        module: str = "",
    ) -> str:
        folder = tmp_path / f"site{next(NUMBER)}"
        module = module or f"plugin_{next(NUMBER)}"
        about = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        about.mkdir(parents=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        (about / "entry_points.txt").write_text(
            f"[vectorshift.providers]\n{name} = {module}:{attribute}\n"
        )
        monkeypatch.syspath_prepend(str(folder))
        modules.append(module)
        return module

    yield lay
    for module in modules:
        sys.modules.pop(module, None)


def chain_of(*names: str, **settings: Any) -> ProviderChain:
    return ProviderChain.from_settings(
        Settings(providers=names or ("default", "shelf"), **settings)
    )


def made(provider: Any) -> Any:
    """What a plugin becomes when it is asked: a cache, or what guards a local provider."""
    if (maker := provider.maker()) is not None:
        maker.resolve(DEFAULT_REQUEST)
    return provider.provider


def failure(call: Callable[[], Any]) -> CredentialConfigurationError:
    with pytest.raises(CredentialConfigurationError) as caught:
        call()
    return caught.value


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# --- Looked for only when named -------------------------------------------------------------------

WATCH = """
import sys
from importlib.metadata import DistributionFinder
class Watch(DistributionFinder):
    searched = 0
    def find_spec(self, *_): return None
    def find_distributions(self, context=None):
        Watch.searched += 1
        return []
sys.meta_path.insert(0, Watch())
import vectorshift
try:
    vectorshift.get_credential()
except vectorshift.CredentialError:
    pass
print(Watch.searched)
"""


@pytest.mark.parametrize(
    ("providers", "searched"), [("default", "0"), ("env,vault", "0"), ("default,shelf", "1")]
)
def test_entry_points_are_looked_at_only_when_a_name_is_not_built_in(
    providers: str, searched: str
) -> None:
    environ = {
        "VECTORSHIFT_API_KEY": "vs-1",
        "VECTORSHIFT_PROVIDERS": providers,
        # pydantic searches for plugins of its own, once, when the settings are loaded: that is not
        # what is counted.
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        "PATH": os.environ["PATH"],
    }
    assert output(sys.executable, "-I", "-c", WATCH, env=environ).strip() == searched


def test_a_plugin_that_is_named_answers_and_no_other_is_imported(
    install: Callable[..., str],
) -> None:
    named, other = install(), install(name="other", distribution="other")
    assert chain_of().get_credential().secret.reveal() == "vs-plugin"
    assert named in sys.modules
    assert other not in sys.modules


def test_a_plugin_is_not_imported_while_a_source_before_it_answers(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = install()
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    chain = chain_of()
    assert chain.get_credential().provider == "env"
    assert "not imported yet" in chain.providers[-1].describe().detail
    chain.invalidate(chain.get_credential())
    chain.close()
    assert module not in sys.modules


def test_listing_plugins_imports_none_of_them(install: Callable[..., str]) -> None:
    module = install()
    entries = [entry for entry in available() if entry.name == "shelf"]
    assert [(e.distribution, e.version, e.target, e.problem) for e in entries] == [
        ("vectorshift-shelf", "1.2.3", f"{module}:Provider", "")
    ]
    assert module not in sys.modules


def test_a_class_and_a_function_without_arguments_will_do(install: Callable[..., str]) -> None:
    install(SIMPLE + "\n    def make():\n        return Provider()\n", attribute="make")
    assert chain_of().get_credential().provider == "shelf"
    assert [each.name for each in chain_of().providers][-1] == "shelf"


@pytest.mark.parametrize("spelling", ["shelf-two", "Shelf_Two", " shelf.two ", "SHELF__TWO"])
@pytest.mark.parametrize("entry", ["shelf-two", "Shelf_Two", "shelf.two"])
def test_names_are_compared_without_case_and_kind_of_dash(
    install: Callable[..., str], entry: str, spelling: str
) -> None:
    install(name=entry)
    assert chain_of("env", spelling).get_credential().provider == "shelf-two"


@pytest.mark.parametrize("names", [("shelf", "Shelf"), ("shelf", "env", "shelf"), ("Env", "env")])
def test_a_name_that_is_there_twice_is_an_error(
    install: Callable[..., str], names: tuple[str, ...]
) -> None:
    install()
    assert "twice" in str(failure(lambda: chain_of(*names)))


def test_the_name_of_the_entry_point_is_the_one_that_is_shown(install: Callable[..., str]) -> None:
    install(SIMPLE.replace("asked = 0", 'asked = 0; name = "of_the_class"'))
    chain = chain_of()
    assert chain.get_credential().provider == "shelf"
    chain = chain_of(plugins={"shelf": {}})
    made(chain.providers[-1]).provider.provider.key = ""
    with pytest.raises(MissingCredentialError) as caught:
        chain.get_credential()
    assert caught.value.attempts[-1].provider == "shelf"


# --- Names that cannot be had ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vault", "Vault", "VAULT", "env", "aws"])
def test_a_plugin_with_the_name_of_a_built_in_provider_is_never_imported(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    install()
    module = install(name=name, distribution="imposter", version="6.6.6")
    chain = ProviderChain.from_settings(
        Settings(providers=(name, "shelf"), vault_path="x", aws_secret_id="x")
    )
    assert type(chain.providers[1].describe()).__module__.startswith("vectorshift.")
    assert module not in sys.modules
    assert any("imposter 6.6.6" in line and "built-in" in line for line in warnings_in(caplog))
    assert [entry.problem != "" for entry in available() if entry.distribution == "imposter"] == [
        True
    ]


def test_no_plugin_can_be_the_default(install: Callable[..., str]) -> None:
    module = install(name="default", distribution="imposter")
    install()
    assert len(chain_of().providers) == 6
    assert module not in sys.modules


def test_two_distributions_with_one_name_are_an_error_that_names_both(
    install: Callable[..., str],
) -> None:
    first, second = install(), install(name="Shelf", distribution="other-shelf", version="4.5")
    said = str(failure(chain_of))
    assert "vectorshift-shelf 1.2.3" in said
    assert "other-shelf 4.5" in said
    assert not {first, second} & set(sys.modules)
    assert len([entry for entry in available() if entry.name == "shelf" and entry.problem]) == 2


def test_a_distribution_that_is_on_the_path_twice_is_no_conflict(
    install: Callable[..., str],
) -> None:
    install(module="shelf_twice", distribution="Vectorshift_Shelf", version="1.2.4")
    install(module="shelf_twice")
    assert chain_of().get_credential().secret.reveal() == "vs-plugin"


def test_with_plugins_disabled_a_plugin_is_an_error_that_says_so(
    install: Callable[..., str],
) -> None:
    module = install()
    said = str(
        failure(
            lambda: ProviderChain.from_settings(
                Settings(providers=("shelf",), disable_plugins=True)
            )
        )
    )
    assert "VECTORSHIFT_DISABLE_PLUGINS=1" in said
    assert module not in sys.modules
    assert len(ProviderChain.from_settings(Settings(disable_plugins=True)).providers) == 5


def test_a_plugin_whose_name_is_like_that_of_a_built_in_one_is_remarked_on(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    install(name="vaults")
    chain_of("vaults")
    assert warnings_in(caplog) == [
        "The plugin vaults of vectorshift-shelf 1.2.3 is used, not the built-in vault, whose "
        "name is similar."
    ]


def test_a_mistyped_name_is_compared_with_what_is_built_in_and_with_what_is_installed(
    install: Callable[..., str],
) -> None:
    install()
    assert "Did you mean shelf?" in str(failure(lambda: chain_of("shelv")))
    assert "Did you mean vault?" in str(failure(lambda: chain_of("valt")))
    assert "There are: default, explicit," in str(failure(lambda: chain_of("qqqq")))


def test_metadata_that_cannot_be_read_is_an_error_and_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "site" / "bad-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: bad\nVersion: 1\n")
    (about / "entry_points.txt").write_bytes(b"[vectorshift.providers]\n\xff\xfe")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert "damaged" in str(failure(chain_of))
    with pytest.raises(MissingCredentialError):
        chain_of("default").get_credential()


ABOUT = {"METADATA": b"Metadata-Version: 2.1\nName: bad-one\nVersion: 1\n"}
BAD_LINE = b"[vectorshift.providers]\nno equals sign\n"


@pytest.mark.parametrize("text", [BAD_LINE, b"[vectorshift.providers]\n\xff\xfe"])
def test_damaged_entry_points_are_told_with_the_name_of_their_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    lay_out(tmp_path / "site" / "bad_one-1.dist-info", {**ABOUT, "entry_points.txt": text})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert "entry_points.txt of bad-one 1 is damaged" in str(failure(chain_of))


def test_metadata_of_a_plugin_forge_no_line_and_move_no_cursor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = b"Name: acme\x1b[2J\n ERROR all is well\nVersion: 1\x07\n"
    points = "[vectorshift.providers]\nacme-kv = acme\u202e:Provider\n".encode()
    lay_out(tmp_path / "site" / "acme-1.dist-info", {"METADATA": about, "entry_points.txt": points})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    error = str(failure(lambda: chain_of("acme-kv").get_credential()))
    assert "acme?[2J?ERROR all is well 1? cannot be used" in error
    assert error.isprintable()


@pytest.mark.parametrize(
    "asks", ["vectorshift.get_credential()", "asyncio.run(vectorshift.aget_credential())"]
)
@pytest.mark.parametrize(
    "text", [b"[console_scripts]\nno equals sign\n", b"[console_scripts]\n# caf\xe9\nx = y:z\n"]
)
def test_damaged_entry_points_are_told_where_pydantic_reads_those_of_all_packages(
    tmp_path: Path, text: bytes, asks: str
) -> None:
    lay_out(tmp_path / "site" / "bad_one-1.dist-info", {**ABOUT, "entry_points.txt": text})
    code = f"""
import asyncio, sys
sys.path[:] = {[str(tmp_path / "site"), *sys.path]!r}
import vectorshift
try:
    print({asks}.secret.reveal())
except vectorshift.CredentialConfigurationError as error:
    print(error)
"""
    environ = {
        "VECTORSHIFT_API_KEY": "vs-1",
        "VECTORSHIFT_TIMEOUT": "5",  # without a setting there is no pydantic
        "PATH": os.environ["PATH"],
    }
    run = functools.partial(
        subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    said = run(env=environ, check=True).stdout
    assert "entry_points.txt of the installed package bad-one is damaged" in said
    assert (
        run(env={**environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"}, check=True).stdout.strip()
        == "vs-1"
    )


def test_damaged_entry_points_of_a_package_without_plugins_stop_no_plugin(
    install: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    text = BAD_LINE.replace(b"vectorshift.providers", b"console_scripts")
    lay_out(tmp_path / "site" / "bad_one-1.dist-info", {**ABOUT, "entry_points.txt": text})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert chain_of().get_credential().secret.reveal() == "vs-plugin"


def test_a_distribution_that_hides_another_of_its_name_hides_its_plugins(
    install: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    about = b"Metadata-Version: 2.1\nName: Vectorshift.Shelf\nVersion: 2\n"
    lay_out(tmp_path / "site" / "vectorshift_shelf-2.dist-info", {"METADATA": about})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert [each for each in available() if each.name == "shelf"] == []


def lay_out(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("target", [":Provider", ".shelf:Provider", ""])
def test_an_entry_without_a_module_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    text = f"[vectorshift.providers]\nshelf = {target}\n".encode()
    lay_out(tmp_path / "site" / "bad_one-1.dist-info", {**ABOUT, "entry_points.txt": text})
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert "names no module" in str(failure(lambda: chain_of().get_credential()))


# --- A plugin that fails --------------------------------------------------------------------------

BROKEN = {
    "raises at import": f"raise RuntimeError('{HIDDEN}')",
    "ends the process at import": f"import sys; sys.exit('{HIDDEN}')",
    "is no Python": f"this is not '{HIDDEN}",
    "has not the attribute": "",
    "is not callable": f"Provider = '{HIDDEN}'",
    "raises when made": f"def Provider():\n    key = '{HIDDEN}'\n    raise ValueError(key)",
    "raises a chain when made": (
        f"def Provider():\n    try:\n        raise OSError('{HIDDEN}')\n"
        f"    except OSError as error:\n        raise KeyError('{HIDDEN}') from error"
    ),
    "ends the process when made": f"def Provider():\n    raise SystemExit('{HIDDEN}')",
    "gives something else": f"def Provider():\n    return '{HIDDEN}'",
    "gives a coroutine": "async def Provider():\n    pass",
    "needs an argument": SIMPLE.replace("asked = 0", "def __init__(self, url): pass"),
    "wants an argument as a function": "def Provider(url): pass",
    "takes no settings": "class Provider:\n    @classmethod\n    def from_settings(cls): pass",
    "has a strange ttl": SIMPLE.replace("asked = 0", "ttl = 'an hour'"),
    "has no getter": SIMPLE.replace("def get_credential", "def get_key"),
    "has a strange on_error": SIMPLE.replace("asked = 0", "on_error = 'ignore'"),
}

FAULTS = {
    "is no Python": ".py:1.",
    "needs an argument": "one that can be called without arguments",
    "wants an argument as a function": "one that can be called without arguments",
    "takes no settings": "a from_settings(settings)",
    "is not callable": "is neither a class nor a function",
    "has not the attribute": "is neither a class nor a function",
    "gives something else": "gave str, not a CredentialProvider",
    "gives a coroutine": "gave coroutine, not a CredentialProvider",
    "has no getter": "Provider must define get_credential or aget_credential.",
    "has a strange on_error": "on_error of Provider should be 'stop' or 'continue', not 'ignore'",
    "has a strange ttl": "its ttl is of type str",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_plugin_that_fails_is_a_configuration_error_that_names_its_distribution(
    install: Callable[..., str],
    fault: str,
    shown: Callable[[BaseException], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    install(BROKEN[fault])
    error = failure(lambda: chain_of().get_credential())
    assert "shelf of vectorshift-shelf 1.2.3 cannot be used" in str(error)
    assert error.__cause__ is None
    assert HIDDEN not in shown(error)
    assert HIDDEN not in caplog.text
    assert FAULTS.get(fault, "") in str(error)


def test_a_missing_module_is_named(install: Callable[..., str]) -> None:
    install("import no_such_module_at_all")
    assert "the module no_such_module_at_all is not installed" in str(
        failure(lambda: chain_of().get_credential())
    )


def test_what_a_plugin_says_of_its_settings_is_told(install: Callable[..., str]) -> None:
    install("""
        from vectorshift import CredentialConfigurationError
        class Provider:
            @classmethod
            def from_settings(cls, settings):
                raise CredentialConfigurationError("VECTORSHIFT_SHELF_URL: is no URL.")
        """)
    said = str(failure(lambda: chain_of().get_credential()))
    assert "VECTORSHIFT_SHELF_URL: is no URL." in said
    assert "vectorshift-shelf 1.2.3" in said


def test_a_plugin_that_fails_is_warned_of_when_it_is_asked_and_once(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    install("raise RuntimeError")
    chain = chain_of()
    for _ in range(2):
        failure(chain.get_credential)
    said = [line for line in warnings_in(caplog) if line.startswith("The provider shelf of")]
    assert len(said) == 1
    assert chain.providers[-1].describe().source == "shelf"
    assert isinstance(made(chain.providers[-1]), FailingProvider)


def test_a_log_handler_that_raises_keeps_no_chain_with_a_plugin_that_fails_from_being_made(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ConnectionError("the log server is away")

    install("raise RuntimeError")
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    handler = Raising()
    logging.getLogger("vectorshift").addHandler(handler)
    try:
        assert chain_of().get_credential().provider == "env"
    finally:
        logging.getLogger("vectorshift").removeHandler(handler)


def test_another_source_answers_after_a_plugin_that_fails_only_if_the_user_says_so(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("raise RuntimeError")
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-env")
    failure(lambda: chain_of("shelf", "env").get_credential())
    chain = chain_of("shelf", "env", plugins={"shelf": {"on_error": "continue"}})
    assert chain.get_credential().provider == "env"


ASKS = """
    import vectorshift
    TOLD = []
    def ask():
        try:
            vectorshift.get_credential()
        except vectorshift.CredentialError as error:
            TOLD.append(str(error))
"""


@pytest.mark.parametrize("when", ["at import", "when made"])
def test_a_plugin_that_asks_for_a_credential_while_it_is_made_is_told_so_and_is_of_use(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    if when == "at import":
        code = ASKS + "    ask()\n" + SIMPLE
    else:
        code = ASKS + SIMPLE + "\n        def __init__(self): ask()\n"
    module = install(code)
    monkeypatch.setenv("VECTORSHIFT_PROVIDERS", "default,shelf")
    vectorshift.reset()
    try:
        assert vectorshift.get_credential().secret.reveal() == "vs-plugin"
    finally:
        vectorshift.reset()
    (told,) = sys.modules[module].TOLD
    assert "shelf of vectorshift-shelf 1.2.3" in told
    assert "asks for a credential while it is imported or created" in told


LOOPS = """
    import asyncio
    import vectorshift
    TOLD = []
    def ask():
        try:
            asyncio.run(vectorshift.aget_credential())
        except vectorshift.CredentialError as error:
            TOLD.append(str(error))
"""


@pytest.mark.parametrize("asks", ["sync", "async", "by hand"])
@pytest.mark.parametrize("when", ["at import", "when made"])
def test_a_plugin_that_asks_in_a_loop_of_its_own_while_it_is_made_is_told_so_and_waits_for_nobody(
    install: Callable[..., str], when: str, asks: str
) -> None:
    own = (
        "    ask()\n" + SIMPLE
        if when == "at import"
        else SIMPLE + "\n        def __init__(self): ask()\n"
    )
    module = install(LOOPS + own)
    code = f"""
import asyncio, faulthandler, sys
faulthandler.dump_traceback_later(30, exit=True)
sys.path[:] = {sys.path!r}
import vectorshift
if {asks!r} == "sync":
    found = vectorshift.get_credential()
elif {asks!r} == "async":
    found = asyncio.run(vectorshift.aget_credential())
else:
    settings = vectorshift.Settings(providers=("shelf",))
    found = vectorshift.ProviderChain.from_settings(settings).get_credential()
print(found.secret.reveal(), *sys.modules[{module!r}].TOLD)
"""
    environ = {"VECTORSHIFT_PROVIDERS": "shelf", "PATH": os.environ["PATH"]}
    assert output(sys.executable, "-c", code, env=environ).startswith(
        "vs-plugin The provider shelf of vectorshift-shelf 1.2.3 cannot be used: it asks"
    )


def test_a_plugin_that_has_been_made_is_made_anew_in_a_context_that_it_left_behind(
    install: Callable[..., str],
) -> None:
    module = install(SIMPLE + "\n    import contextvars\n    LEFT = contextvars.copy_context()\n")
    chain_of().get_credential()
    assert sys.modules[module].LEFT.run(chain_of).get_credential().provider == "shelf"


def test_a_factory_whose_decorator_supplies_the_argument_is_called_without(
    install: Callable[..., str],
) -> None:
    code = """
    import functools
    def supplied(make):
        @functools.wraps(make)
        def call():
            return make(object())
        return call
    @supplied
    def make(client):
        return Provider()
    """
    install(SIMPLE + code, attribute="make")
    assert chain_of().get_credential().secret.reveal() == "vs-plugin"


def test_what_one_chain_sets_is_not_set_for_the_next_where_a_factory_gives_the_same_provider(
    install: Callable[..., str],
) -> None:
    install(
        SIMPLE + "\n    ONE = Provider()\n    def make():\n        return ONE\n", attribute="make"
    )
    own = {"on_error": "continue", "on_missing": "stop", "cache_ttl": 7}
    first, second = chain_of(plugins={"shelf": own}).providers[-1], chain_of().providers[-1]
    assert (made(first).provider.ttl, made(second).provider.ttl) == (7, None)
    assert (first.on_error, first.on_missing) == ("continue", "stop")
    assert (second.on_error, second.on_missing) == ("stop", "continue")


# --- Not configured, and what lies near -----------------------------------------------------------

NOT_CONFIGURED = (
    "class Provider:\n    @classmethod\n    def from_settings(cls, settings):\n        return"
    " None\n"
)


def test_a_plugin_that_is_not_configured_says_what_would_configure_it(
    install: Callable[..., str],
) -> None:
    install(NOT_CONFIGURED)
    with pytest.raises(MissingCredentialError) as caught:
        chain_of().get_credential()
    attempt = caught.value.attempts[-1]
    assert (attempt.provider, attempt.outcome) == ("shelf", "not configured")
    assert "VECTORSHIFT_SHELF_" in attempt.reason
    assert "vectorshift-shelf 1.2.3" in attempt.reason
    with pytest.raises(
        MissingCredentialError, match="None although VECTORSHIFT_SHELF_TOKEN is set"
    ):
        chain_of(plugins={"shelf": {"token": "x"}}).get_credential()


@pytest.mark.parametrize("style", ["sync", "async"])
def test_a_plugin_that_is_installed_and_not_named_is_told_of_when_nothing_is_found(
    install: Callable[..., str], style: str
) -> None:
    module = install()
    chain = chain_of("default")
    with pytest.raises(MissingCredentialError, match="Nearby") as caught:
        chain.get_credential() if style == "sync" else asyncio.run(chain.aget_credential())
    said = str(caught.value)
    assert "shelf (vectorshift-shelf 1.2.3)" in said
    assert "VECTORSHIFT_PROVIDERS=default,shelf" in said
    assert module not in sys.modules


def test_nothing_is_told_of_plugins_that_are_disabled_or_named_or_cannot_be_named(
    install: Callable[..., str],
) -> None:
    install(NOT_CONFIGURED)
    for chain in (ProviderChain.from_settings(Settings(disable_plugins=True)), chain_of()):
        with pytest.raises(MissingCredentialError) as caught:
            chain.get_credential()
        assert "Nearby" not in str(caught.value)
    install(name="vault", distribution="imposter")
    install(distribution="other-shelf")
    with pytest.raises(MissingCredentialError) as caught:
        chain_of("default").get_credential()
    assert "Nearby" not in str(caught.value)


# --- What is set for a plugin ---------------------------------------------------------------------


def test_settings_of_a_plugin_that_is_not_named_are_an_error(install: Callable[..., str]) -> None:
    install()
    assert "Did you mean shelf?" in str(failure(lambda: chain_of(plugins={"shelv": {"url": "x"}})))
    assert "vault_" in str(failure(lambda: chain_of(plugins={"vault": {"path": "x"}})))


@pytest.mark.parametrize("name", ["default", "explicit", "dotenv"])
def test_a_variable_that_begins_with_a_built_in_name_is_a_warning_and_no_error(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    variable = f"VECTORSHIFT_{name.upper()}_PATH"
    ProviderChain.from_settings(Settings.load({"VECTORSHIFT_PROVIDERS": name, variable: HIDDEN}))
    assert warnings_in(caplog) == [f"{variable} is not a vectorshift setting."]


@pytest.mark.parametrize("name", ["cache", "api", "vault-token"])
def test_a_plugin_whose_variables_are_those_of_this_package_is_warned_of_and_set_in_code(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    install(NOT_CONFIGURED, name=name)
    with pytest.raises(MissingCredentialError) as caught:
        chain_of("env", name).get_credential()
    (said,) = warnings_in(caplog)
    assert said.startswith(
        f"The plugin {name} of vectorshift-shelf 1.2.3 gets no variables: VECTORSHIFT_"
    )
    assert f"Settings(plugins={{'{name}': {{...}}}}) sets it in code." in said
    assert "gets no variables" in caught.value.attempts[-1].reason
    with pytest.raises(MissingCredentialError, match="returned None although"):
        chain_of("env", name, plugins={name: {"url": "x"}}).get_credential()


def test_a_plugin_whose_name_goes_on_where_a_setting_ends_has_its_variables(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    install(name="vault-two")
    variables = {"VECTORSHIFT_PROVIDERS": "vault-two", "VECTORSHIFT_VAULT_TWO_ON_MISSING": "stop"}
    chain = ProviderChain.from_settings(Settings.load(variables))
    assert chain.providers[-1].on_missing == "stop"
    assert warnings_in(caplog) == []


def test_on_missing_stop_counts_for_a_plugin_that_is_not_configured(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(NOT_CONFIGURED)
    monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-forgotten-key")
    variables = {"VECTORSHIFT_PROVIDERS": "shelf,env", "VECTORSHIFT_SHELF_ON_MISSING": "stop"}
    chain = ProviderChain.from_settings(Settings.load(variables))
    with pytest.raises(CredentialConfigurationError, match="on_missing of shelf is 'stop'"):
        chain.get_credential()
    assert not chain.providers[1].describe().configured


def test_on_error_on_missing_and_cache_ttl_are_read_for_every_plugin(
    install: Callable[..., str],
) -> None:
    install()
    environ = {"ON_ERROR": "continue", "ON_MISSING": "stop", "CACHE_TTL": "7"}
    variables = {f"VECTORSHIFT_SHELF_{name}": value for name, value in environ.items()}
    settings = Settings.load({"VECTORSHIFT_PROVIDERS": "env,shelf", **variables})
    provider: Any = ProviderChain.from_settings(settings).providers[-1]
    assert (provider.on_error, provider.on_missing) == ("continue", "stop")
    assert made(provider).provider.ttl == 7.0
    provider = chain_of("shelf").providers[-1]
    assert (provider.on_error, provider.on_missing) == ("stop", "continue")
    assert made(provider).provider.ttl is None


def test_a_wrong_value_of_these_is_an_error_that_names_the_variable_and_not_the_value(
    install: Callable[..., str],
) -> None:
    install()
    settings = Settings.load(
        {"VECTORSHIFT_PROVIDERS": "shelf", "VECTORSHIFT_SHELF_ON_ERROR": HIDDEN}
    )
    said = str(failure(lambda: ProviderChain.from_settings(settings).get_credential()))
    assert "VECTORSHIFT_SHELF_ON_ERROR: " in said
    assert HIDDEN not in said


# --- What the framework gives to a plugin that writes one method
# ------------------------------------


@pytest.mark.parametrize("code", [SIMPLE, ASYNC], ids=["sync", "async"])
def test_a_plugin_has_sync_and_async_and_is_asked_once(
    install: Callable[..., str], code: str
) -> None:
    install(code)
    chain = chain_of()

    async def many() -> list[str]:
        return [
            str(each)
            for each in await asyncio.gather(*(chain.aget_credential() for _ in range(20)))
        ]

    found = {str(chain.get_credential()), *asyncio.run(many()), str(chain.get_credential())}
    assert len(found) == 1
    assert made(chain.providers[-1]).provider.provider.asked == 1


@pytest.mark.parametrize("code", [SIMPLE, ASYNC], ids=["sync", "async"])
def test_a_plugin_that_is_local_is_asked_every_time(install: Callable[..., str], code: str) -> None:
    install(code.replace("asked = 0", "asked = 0; remote = False"))
    chain = chain_of()
    assert {chain.get_credential().provider, asyncio.run(chain.aget_credential()).provider} == {
        "shelf"
    }
    assert made(chain.providers[-1]).provider.asked == 2


@pytest.mark.parametrize("code", [SIMPLE, ASYNC], ids=["sync", "async"])
def test_the_last_answer_of_a_plugin_is_served_while_its_store_is_down(
    install: Callable[..., str], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    install(code)
    clock = ManualClock()
    provider = made(providers_of(Settings(providers=("shelf",)))[-1]).provider
    chain = ProviderChain([provider], clock=clock)
    first = chain.get_credential()
    provider.provider.key = f"down {HIDDEN}"
    clock.advance(301)
    with until_told("refresh_failed"):
        assert chain.get_credential() is first
    assert HIDDEN not in caplog.text


@pytest.mark.parametrize("code", [SIMPLE, ASYNC], ids=["sync", "async"])
def test_what_a_plugin_raises_is_told_without_its_text(
    install: Callable[..., str], code: str, shown: Callable[[BaseException], str]
) -> None:
    install(code.replace('key = "vs-plugin"', f'key = "down {HIDDEN}"'))
    chain = chain_of()
    for ask in (chain.get_credential, lambda: asyncio.run(chain.aget_credential())):
        with pytest.raises(CredentialStoreUnavailableError, match="shelf raised OSError") as caught:
            ask()
        assert HIDDEN not in shown(caught.value)


def test_a_plugin_states_a_ttl_of_its_own(install: Callable[..., str]) -> None:
    install(SIMPLE.replace("asked = 0", "asked = 0; ttl = 3600"))
    assert made(chain_of().providers[-1])._policy.ttl == 3600


def test_a_plugin_is_described_without_being_asked(install: Callable[..., str]) -> None:
    install()
    provider: Any = chain_of().providers[-1]
    author = made(provider).provider.provider
    assert (provider.describe().source, provider.describe().configured) == ("shelf", True)
    assert author.asked == 0


def test_a_plugin_that_describes_itself_badly_is_described_by_its_name(
    install: Callable[..., str],
) -> None:
    install(SIMPLE.replace("asked = 0", "asked = 0\n        def describe(self): return 'here'"))
    chain = chain_of()
    assert chain.get_credential().source == "shelf:here"
    assert chain.providers[-1].describe().source == "shelf"


def test_events_tell_of_a_plugin_as_of_any_provider(install: Callable[..., str]) -> None:
    install()
    events: list[CredentialEvent] = []
    stop = on_event(events.append)
    try:
        chain_of().get_credential()
    finally:
        stop()
    assert [(event.kind, event.provider, event.source) for event in events] == [
        ("resolved", "shelf", "shelf:here")
    ]


# --- Time limits ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let plugins hang until the test has ended: their threads are not left to other tests."""
    module: Any = types.ModuleType("hanging")
    module.until = threading.Event()
    monkeypatch.setitem(sys.modules, "hanging", module)
    yield
    module.until.set()


HANGS = {
    "import": "import hanging; hanging.until.wait()",
    "from_settings": (
        SIMPLE
        + """
        @classmethod
        def from_settings(cls, settings):
            import hanging; hanging.until.wait()
"""
    ),
    "describe()": (
        SIMPLE
        + """
        def describe(self):
            import hanging; hanging.until.wait()
"""
    ),
    "getter": SIMPLE.replace("self.asked += 1", "import hanging; hanging.until.wait()"),
}


def hang(install: Callable[..., str], where: str) -> None:
    """Install a plugin that hangs there: it is imported, so that nothing else takes time."""
    module = install(HANGS[where])
    if where != "import":
        import_module(module)


@pytest.mark.parametrize("style", ["sync", "async"])
@pytest.mark.parametrize("where", HANGS)
def test_a_plugin_that_hangs_costs_a_caller_at_most_the_load_timeout(
    install: Callable[..., str], where: str, style: str
) -> None:
    hang(install, where)
    chain = chain_of("shelf", load_timeout=0.5)
    began = time.monotonic()
    with pytest.raises(CredentialStoreUnavailableError) as caught:
        chain.get_credential() if style == "sync" else asyncio.run(chain.aget_credential())
    assert 0.4 < time.monotonic() - began < 60
    if where != "getter":
        assert f"The provider shelf of vectorshift-shelf 1.2.3 is not ready: its {where}" in str(
            caught.value
        )
    plugin: Any = chain.providers[-1]
    assert plugin.patience(DEFAULT_REQUEST) < 0.1  # nobody waits for it a second time
    with pytest.raises(CredentialStoreUnavailableError):
        chain.get_credential()
    described = plugin.describe()  # nor to have it described
    assert described.source == "shelf"
    assert where == "getter" or f"its {where} has not ended after" in described.detail


def test_a_plugin_that_was_left_no_time_by_another_is_not_accused(
    install: Callable[..., str],
) -> None:
    for name in ("shelf", "other"):
        import_module(install(HANGS["from_settings"], name=name, distribution=name))
    plugins = {"shelf": {"on_error": "continue"}}
    chain = chain_of("shelf", "other", load_timeout=0.5, plugins=plugins)
    with pytest.raises(CredentialStoreUnavailableError) as caught:
        chain.get_credential()
    assert "did not end within 0.0 s, the time that was left for the whole chain" in str(
        caught.value
    )
    assert "contact nothing" not in str(caught.value)


@pytest.mark.parametrize("where", ["import", "from_settings", "describe()"])
def test_explain_waits_no_longer_for_a_plugin_that_hangs(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    hang(install, where)
    monkeypatch.setenv("VECTORSHIFT_PROVIDERS", "shelf")
    monkeypatch.setenv("VECTORSHIFT_LOAD_TIMEOUT", "0.5")
    vectorshift.reset()
    began = time.monotonic()
    try:
        report = vectorshift.explain()
    finally:
        vectorshift.reset()
    assert time.monotonic() - began < 60
    assert report.outcome == "failed"  # as a call would
    shelf = report.sources[-1]
    assert (shelf.provider, shelf.outcome) == ("shelf", "unavailable")
    assert f"its {where} has not ended after" in shelf.reason


def test_a_describe_that_hangs_later_holds_up_the_reads_and_no_caller(
    install: Callable[..., str],
) -> None:
    code = """
        told = 0
        def describe(self):
            import hanging
            from vectorshift import Description
            self.told += 1
            if self.told > 1:
                hanging.until.wait()
            return Description(configured=True, source="shelf:here")
"""
    import_module(install(SIMPLE + code))
    chain = chain_of("shelf", load_timeout=0.5)
    with pytest.raises(CredentialStoreUnavailableError, match="shelf:here"):
        chain.get_credential()
    assert chain.providers[-1].describe().source == "shelf:here"


def test_a_plugin_that_is_slow_to_import_is_used_once_it_is_there(
    install: Callable[..., str],
) -> None:
    install("import hanging; hanging.until.wait()\n" + textwrap.dedent(SIMPLE))
    chain = chain_of("shelf", load_timeout=0.3)
    with pytest.raises(CredentialStoreUnavailableError, match="its import has not ended"):
        chain.get_credential()
    sys.modules["hanging"].until.set()
    end = time.monotonic() + 60
    while chain.providers[-1].maker() is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert chain.get_credential().secret.reveal() == "vs-plugin"


@pytest.mark.parametrize("code", [SIMPLE, ASYNC], ids=["sync", "async"])
def test_a_local_plugin_that_is_slow_is_warned_of_once_with_the_way_out(
    install: Callable[..., str],
    code: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vectorshift.credentials.adapter.SLOW", 0.05)
    slow = code.replace("asked = 0", "asked = 0; remote = False")
    install(slow.replace("self.asked += 1", "import time; time.sleep(0.1)"))
    chain = chain_of("shelf")
    for _ in range(2):
        chain.get_credential()
    (line,) = warnings_in(caplog)
    assert line.startswith("shelf took 0.")
    assert "remote = True" in line


def test_a_local_plugin_is_asked_in_the_thread_and_the_context_of_its_caller(
    install: Callable[..., str],
) -> None:
    own = SIMPLE.replace("asked = 0", "asked = 0; remote = False")
    module = install(
        own.replace("self.asked += 1", "import threading as t; SEEN.append(t.get_ident())")
    )
    (chain := chain_of("shelf")).providers[-1].maker().resolve(DEFAULT_REQUEST)  # type: ignore[union-attr]
    sys.modules[module].SEEN = []  # type: ignore[attr-defined]
    chain.get_credential()
    assert [threading.get_ident()] == sys.modules[module].SEEN


# --- Several instances of one plugin --------------------------------------------------------------

PLACES = """
    from vectorshift import Credential, CredentialProvider, PluginSettings

    class Own(PluginSettings):
        place: str
        size: int = 1

    class Provider(CredentialProvider):
        def __init__(self, place):
            self.place = place

        @classmethod
        def from_settings(cls, settings):
            return cls(Own.of(settings, "shelf").place)

        def get_credential(self):
            return Credential(secret=f"vs-{self.place}", source=self.place, provider=self.name)
"""


def test_several_instances_of_one_plugin_have_settings_of_their_own(
    install: Callable[..., str],
) -> None:
    install(PLACES)
    variables = {
        "VECTORSHIFT_PROVIDERS": "shelf,shelf:prod,shelf:dr",
        "VECTORSHIFT_SHELF_PLACE": "plain",
        "VECTORSHIFT_SHELF_PROD_PLACE": "prod",
        "VECTORSHIFT_SHELF_DR_PLACE": "dr",
        "VECTORSHIFT_SHELF_DR_ON_ERROR": "continue",
    }
    chain = ProviderChain.from_settings(Settings.load(variables))
    found = [each.get_credential() for each in chain.providers[1:]]
    assert [(each.provider, each.secret.reveal()) for each in found] == [
        ("shelf", "vs-plain"),
        ("shelf:prod", "vs-prod"),
        ("shelf:dr", "vs-dr"),
    ]
    assert [each.on_error for each in chain.providers[1:]] == ["stop", "stop", "continue"]
    own = {"shelf:prod": {"place": "code"}}
    assert chain_of("shelf:prod", plugins=own).get_credential().secret.reveal() == "vs-code"


def test_an_instance_has_nothing_of_the_settings_of_another(install: Callable[..., str]) -> None:
    install(PLACES)
    variables = {"VECTORSHIFT_PROVIDERS": "shelf:prod", "VECTORSHIFT_SHELF_PLACE": "plain"}
    chain = ProviderChain.from_settings(Settings.load(variables))
    assert "VECTORSHIFT_SHELF_PROD_PLACE: is required but not set" in str(
        failure(chain.get_credential)
    )


@pytest.mark.parametrize("name", ["vault:prod", "shelf:", "shelf:a:b", ":shelf", "nobody:prod"])
def test_only_a_plugin_has_instances_and_each_has_one_name(
    install: Callable[..., str], name: str
) -> None:
    install(PLACES)
    failure(lambda: chain_of(name))


@pytest.mark.parametrize("instance", ["vs-q7fL0never", "sk_q7fL0never", "q7fl0" * 5])
def test_an_instance_that_may_be_a_key_is_refused_and_not_shown(
    install: Callable[..., str], instance: str
) -> None:
    install(PLACES)
    said = str(failure(lambda: chain_of(f"shelf:{instance}")))
    assert "An instance is named as shelf:prod is" in said
    assert "q7fl0" not in said.lower()


def test_a_misspelt_variable_of_an_instance_is_told_with_the_right_prefix(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    install(PLACES)
    names = {"VECTORSHIFT_PROVIDERS": "shelf:prod,shelf:vs-q7fL0never"}
    Settings.load({**names, "VECTORSHIFT_SHELF_PRD_PLACE": "x"})
    assert caplog.messages == [
        "VECTORSHIFT_SHELF_PRD_PLACE is not a vectorshift setting. VECTORSHIFT_PROVIDERS names"
        " instances of shelf: they read VECTORSHIFT_SHELF_PROD_..."
    ]


def test_an_entry_point_whose_name_cannot_be_one_is_told_of(install: Callable[..., str]) -> None:
    install(PLACES, name="my shelf")
    assert "should have letters, digits" in str(failure(lambda: chain_of("my shelf")))


@pytest.mark.parametrize("name", ["", "shelf:prod", "-shelf", "my shelf"])
def test_an_entry_point_whose_name_cannot_be_one_hides_no_other_and_is_advised_nowhere(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    install(PLACES, name=name, distribution="odd")
    ((shown, problem),) = [
        (each.name, each.problem) for each in available() if each.distribution == "odd"
    ]
    assert shown == (name or "?")
    assert "a letter or digit at both ends" in problem
    Settings.load({f"{prefix_of(name)}PLACE": "x"})
    assert not [said for said in caplog.messages if "odd" in said]
    install(PLACES)
    assert [each.problem for each in available() if each.distribution != "odd"] == [""]
    assert made(chain_of("shelf:prod").providers[1]).name == "shelf:prod"


def test_an_instance_of_a_built_in_provider_is_refused_with_the_reason() -> None:
    assert "Only a plugin has instances" in str(failure(lambda: chain_of("vault:prod")))


def test_two_names_with_the_same_variables_are_an_error(install: Callable[..., str]) -> None:
    install(PLACES)
    install(PLACES, name="shelf-prod", distribution="other")
    said = str(failure(lambda: chain_of("shelf:prod", "shelf-prod")))
    assert "'shelf:prod' and 'shelf-prod'" in said
    assert "VECTORSHIFT_SHELF_PROD_" in said


# --- Variables of a plugin that is not named ------------------------------------------------------


def test_the_names_of_what_is_built_in_are_reserved() -> None:
    assert {*BUILT_IN, "default"} == RESERVED


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_plugin_with_the_name_of_a_built_in_provider_is_advised(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    install(name=name, distribution="imposter")
    Settings.load({f"{prefix_of(name)}TOKEM": HIDDEN})
    (said,) = caplog.messages
    assert "imposter" not in said


def test_a_variable_of_an_installed_plugin_is_not_taken_for_one_of_vault(
    install: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    module = install(name="fault", version="4.5")
    Settings.load({"VECTORSHIFT_FAULT_TOKEN": HIDDEN, "VECTORSHIFT_PROVIDERS": "default"})
    assert warnings_in(caplog) == [
        "VECTORSHIFT_FAULT_TOKEN is not a vectorshift setting. The plugin fault "
        "(vectorshift-shelf 4.5) is installed and reads it if VECTORSHIFT_PROVIDERS names it."
    ]
    assert module not in sys.modules


def test_an_async_client_closes_the_chain_that_was_built_for_it_by_aclose(
    install: Callable[..., str],
) -> None:
    """A plugin that holds an async session has no other way."""
    closing = """
        async def aclose(self):
            type(self).closed_by = "aclose"
    """
    module = install(ASYNC + textwrap.indent(textwrap.dedent(closing), " " * 8))

    async def main() -> None:
        with FakeVectorShift() as api:
            import_module(module).Provider.key = api.create_key()
            settings = Settings(base_url=api.base_url, providers=("shelf",))
            async with AsyncVectorShift(settings=settings) as client:
                await client.request("GET", "/pipelines")

    asyncio.run(main())
    assert import_module(module).Provider.closed_by == "aclose"
