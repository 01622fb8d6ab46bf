"""The module attribute `vectorshift.api_key`, as the documented page and as test tools use it."""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import pickle
import pydoc
import sys
import threading
import types
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from hypothesis import given, strategies as st

import vectorshift
from vectorshift import CachingProvider, ProviderChain, Secret, Settings, errors
from vectorshift.providers import CredentialProvider, EnvProvider, ExplicitProvider
from vectorshift.testing import ManualClock, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY = "vs-Xq7fL0nevertobeseen"
NAME = "VECTORSHIFT_API_KEY"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """Each test starts in a process that has not been used."""
    vectorshift.reset()
    vectorshift.api_key = None
    yield
    vectorshift.reset()
    vectorshift.api_key = None


def given_in_code() -> str:
    return KEY


async def given_in_async() -> str:
    await asyncio.sleep(0)
    return KEY


GIVEN = {"text": KEY, "secret": Secret(KEY), "sync": given_in_code, "async": given_in_async}
EACH_GIVEN = pytest.mark.parametrize("value", GIVEN.values(), ids=GIVEN)


def read() -> str | None:
    value = vectorshift.api_key
    assert value is None or isinstance(value, str)
    return value


def page_prints() -> str:
    line: str = vectorshift.api_key[:4] + "..." if vectorshift.api_key else "missing"
    return line


# --- As the page says -----------------------------------------------------------------------------


def test_the_line_of_the_page_prints_missing_without_a_key() -> None:
    assert page_prints() == "missing"


def test_the_line_of_the_page_prints_the_beginning_of_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, "vs-in-the-environment")
    assert page_prints() == "vs-i..."
    vectorshift.api_key = "sk_in_code"
    assert page_prints() == "sk_i..."


@EACH_GIVEN
def test_it_takes_text_a_secret_and_a_sync_or_async_callable(value: Any) -> None:
    vectorshift.api_key = value
    assert read() == KEY
    assert vectorshift.get_credential().source == "explicit:api_key"
    assert asyncio.run(vectorshift.aget_credential()).secret == Secret(KEY)


@pytest.mark.anyio
async def test_async_code_reads_it_under_every_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, KEY)
    assert (await vectorshift.aget_credential()).source == f"env:{NAME}"
    vectorshift.api_key = lambda: "vs-other"
    assert (await vectorshift.aget_credential()).secret.reveal() == "vs-other"


@pytest.mark.parametrize("unset", ["None", "del"])
def test_none_and_del_unset_and_do_not_disable(monkeypatch: pytest.MonkeyPatch, unset: str) -> None:
    vectorshift.api_key = KEY
    monkeypatch.setenv(NAME, "vs-env")
    if unset == "del":
        del vectorshift.api_key
        del vectorshift.api_key
    else:
        vectorshift.api_key = None
    assert read() == "vs-env"


def test_a_later_assignment_and_a_later_environment_count() -> None:
    for key in ("vs-one", "vs-two"):
        vectorshift.api_key = key
        assert read() == key
    vectorshift.api_key = None
    for key in ("vs-one", "vs-two"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(NAME, key)
            assert read() == key
    assert read() is None


def test_a_missing_key_is_the_documented_error_and_says_what_to_do() -> None:
    with pytest.raises(errors.AuthenticationError) as caught:
        vectorshift.get_credential()
    error = caught.value
    assert isinstance(error, errors.MissingCredentialError)
    assert error.status_code == 401
    assert [attempt.provider for attempt in error.attempts] == [
        "explicit",
        "env",
        "dotenv",
        "vault",
        "aws",
    ]
    assert [attempt.outcome for attempt in error.attempts] == [
        *["not found"] * 3,
        *["not configured"] * 2,
    ]
    for words in (
        "vectorshift.api_key",
        NAME,
        ".env",
        "VECTORSHIFT_VAULT_PATH",
        "VECTORSHIFT_AWS_SECRET_ID",
    ):
        assert words in str(error)


def test_any_other_failure_than_not_found_is_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(NAME, "two words")
    with pytest.raises(
        errors.CredentialConfigurationError, match=f"env:{NAME} does not hold an API key"
    ):
        read()
    monkeypatch.delenv(NAME)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "none"))
    vectorshift.reset()
    with pytest.raises(errors.CredentialConfigurationError, match="cannot be read"):
        read()

    def down() -> str:
        raise ConnectionError(KEY)

    vectorshift.api_key = down
    with pytest.raises(errors.CredentialStoreUnavailableError, match="raised ConnectionError"):
        read()


@pytest.mark.parametrize(
    "value",
    [lambda: None, lambda: KEY.nothing],  # type: ignore[attr-defined]
    ids=["None", "AttributeError"],
)
def test_a_callable_that_fails_never_reads_as_no_key_or_another(
    monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    monkeypatch.setenv(NAME, "vs-other-organisation")
    vectorshift.api_key = value
    with pytest.raises(errors.CredentialConfigurationError):
        read()


def test_a_blank_key_in_code_is_a_mistake_and_not_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "vs-other-organisation")
    vectorshift.api_key = "  "
    with pytest.raises(
        errors.CredentialConfigurationError, match="explicit:api_key is set but empty"
    ):
        read()


@given(st.text())
def test_any_text_reads_as_itself_stripped_or_raises_without_showing_it(
    shown: Callable[[BaseException], str], text: str
) -> None:
    vectorshift.api_key = text
    try:
        said = str(read())
    except errors.CredentialConfigurationError as error:
        said = shown(error)
        assert len(text.strip()) < 4 or text.strip() not in said
    else:
        assert said == text.strip()


def test_threads_see_one_assignment() -> None:
    seen: list[str | None] = []
    vectorshift.api_key = KEY
    threads = [threading.Thread(target=lambda: seen.append(read())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [KEY] * 4


# --- Reading contacts no store --------------------------------------------------------------------


def _list_members() -> object:
    return dict(inspect.getmembers(vectorshift))["api_key"]


def _patch() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectorshift, "api_key", "vs-test")
    return vectorshift.api_key


READERS: dict[str, Callable[[], object]] = {
    "read": read,
    "getattr": lambda: getattr(vectorshift, "api_key", None),
    "hasattr": lambda: None if hasattr(vectorshift, "api_key") else "missing",
    "getmembers": _list_members,
    "help": lambda: pydoc.render_doc(vectorshift) and None,
    "autospec": lambda: mock.create_autospec(vectorshift).api_key and None,
    "monkeypatch": _patch,
    "page": lambda: None if page_prints() == "missing" else "a key",
}
STORES: dict[str, Callable[[MemoryStore], CredentialProvider]] = {
    "alone": lambda store: store.provider(),
    "cached": lambda store: CachingProvider(store.provider()),
    "nested": lambda store: ProviderChain([ExplicitProvider(), ProviderChain([store.provider()])]),
    "before another": lambda store: ProviderChain([store.provider(), ExplicitProvider(KEY)]),
    "may be passed": lambda store: ProviderChain(
        [store.provider(on_error="continue"), ExplicitProvider(KEY)]
    ),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("made", STORES.values(), ids=STORES)
def test_what_reads_it_contacts_no_store(
    made: Callable[[MemoryStore], CredentialProvider], reader: Callable[[], object]
) -> None:
    store = MemoryStore("vs-in-the-store")
    vectorshift.configure(credentials=made(store))
    assert reader() is None
    assert store.reads == 0


@pytest.mark.parametrize("made", STORES.values(), ids=STORES)
def test_it_shows_what_the_cache_has_and_refreshes_nothing(
    made: Callable[[MemoryStore], CredentialProvider],
) -> None:
    store, clock = MemoryStore("vs-in-the-store"), ManualClock()
    vectorshift.configure(credentials=ProviderChain([made(store)]))
    assert vectorshift.get_credential().secret.reveal() == "vs-in-the-store" == read()
    chain = ProviderChain([CachingProvider(store.provider(), clock=clock)])
    vectorshift.configure(credentials=chain)
    vectorshift.get_credential()
    clock.advance(3_600)
    reads = store.reads
    assert read() == "vs-in-the-store"
    assert store.reads == reads
    clock.advance(100_000)
    assert read() is None


@pytest.mark.parametrize("fault", ["fail", "deny", "remove"])
@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_failure_that_the_cache_remembers_is_not_raised(fault: str, on_error: Any) -> None:
    store = MemoryStore("vs-in-the-store")
    getattr(store, fault)()
    vectorshift.configure(credentials=store.provider(on_error=on_error))
    with pytest.raises(errors.CredentialError):
        vectorshift.get_credential()
    reads = store.reads
    assert read() is None
    assert store.reads == reads


@pytest.mark.parametrize("reader", [each for each in READERS if each != "monkeypatch"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"VECTORSHIFT_TIMEOUT": "20s"},
        {"VECTORSHIFT_REQUIRE_USING": "perhaps"},
        {"VECTORSHIFT_PROVIDERS": "vualt"},
        {"VECTORSHIFT_ENV_FILE": "missing.env", "VECTORSHIFT_TIMEOUT": "x"},
        {"VECTORSHIFT_VAULT_PATH": "x", "VAULT_ADDR": "http://127.0.0.1:9", "VAULT_TOKEN": "t"},
        {"VECTORSHIFT_AWS_SECRET_ID": "x"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_process_that_is_set_up_wrong_can_be_inspected(
    reader: str, wrong: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    assert READERS[reader]() is None


# --- What is read ---------------------------------------------------------------------------------


def test_what_is_read_is_a_string_that_masks_its_repr() -> None:
    vectorshift.api_key = KEY
    key = read()
    assert key is not None
    assert (key, str(key), key + "", f"{key}", {key: 1}[KEY]) == (KEY, KEY, KEY, KEY, 1)
    for text in (
        repr(key),
        f"{key!r}",
        str([key]),
        str({"key": key}),
        ascii(key),
        "%r" % key,  # noqa: UP031
    ):
        assert KEY not in text
        assert Secret(KEY).fingerprint in text
    assert KEY.encode() not in pickle.dumps(key)
    assert copy.copy(key) == copy.deepcopy(key) == KEY


def test_the_attribute_is_no_trace_in_the_namespace_of_the_module() -> None:
    vectorshift.api_key = KEY
    assert KEY not in repr(vars(vectorshift)["api_key"])
    assert KEY not in repr(vectorshift)


@EACH_GIVEN
def test_assigning_what_was_read_restores_what_was_there(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectorshift.api_key = value
    saved: Any = vectorshift.api_key
    vectorshift.api_key = "vs-other"
    vectorshift.api_key = saved
    assert read() == KEY
    held = vars(vectorshift)["api_key"]
    assert held is value or held == value
    vectorshift.api_key = None
    monkeypatch.setenv(NAME, "vs-env")
    saved = vectorshift.api_key
    vectorshift.api_key = "vs-other"
    vectorshift.api_key = saved
    monkeypatch.setenv(NAME, "vs-rotated")
    assert read() == "vs-rotated"


# --- Patching leaves no trace ---------------------------------------------------------------------


BEFORE = {"nothing": None, **GIVEN}


@pytest.mark.parametrize(
    "tool", ["mock.patch", "mock.patch.object", "setattr", "setattr by name", "delattr"]
)
@pytest.mark.parametrize("env", [None, "vs-env"], ids=["no environment", "environment"])
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
@EACH_GIVEN
def test_a_patch_leaves_no_trace_when_it_is_undone(
    tool: str, env: str | None, before: Any, value: Any
) -> None:
    def patched(patch: pytest.MonkeyPatch) -> Any:
        if tool == "mock.patch":
            return mock.patch("vectorshift.api_key", value)
        if tool == "mock.patch.object":
            return mock.patch.object(vectorshift, "api_key", new=value)
        if tool == "setattr":
            patch.setattr(vectorshift, "api_key", value)
        elif tool == "setattr by name":
            patch.setattr("vectorshift.api_key", value)
        else:
            patch.delattr(vectorshift, "api_key")
        return mock.patch.dict({})

    with pytest.MonkeyPatch.context() as outer:
        if env:
            outer.setenv(NAME, env)
        vectorshift.api_key = before
        held, seen = vars(vectorshift)["api_key"], read()
        with pytest.MonkeyPatch.context() as patch, patched(patch):
            assert read() == (env if tool == "delattr" else KEY)
        now = vars(vectorshift)["api_key"]
        assert now is held or now == held
        assert type(now) is type(held)
        assert read() == seen


def test_patches_nest() -> None:
    vectorshift.api_key = given_in_code
    with mock.patch("vectorshift.api_key", "vs-one"):
        with mock.patch("vectorshift.api_key", None), pytest.MonkeyPatch.context() as patch:
            assert read() is None
            patch.setattr(vectorshift, "api_key", lambda: "vs-two")
            assert read() == "vs-two"
        assert read() == "vs-one"
    assert vars(vectorshift)["api_key"] is given_in_code


def test_an_export_can_be_patched_and_comes_back() -> None:
    pipeline = vectorshift.Pipeline
    with mock.patch("vectorshift.Pipeline") as fake:
        assert vectorshift.Pipeline is fake
    assert vectorshift.Pipeline is pipeline


# --- What cannot be set ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["api_kye", "apikey", "api_keys", "org_id", "base_url"])
def test_a_mistyped_assignment_is_an_error_and_sets_nothing(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}' to set"):
        setattr(vectorshift, name, KEY)
    assert name not in vars(vectorshift)


def test_a_mistyped_assignment_names_the_nearest() -> None:
    module: Any = vectorshift
    with pytest.raises(AttributeError, match="Did you mean 'api_key'"):
        module.api_kye = KEY


@pytest.mark.parametrize(
    ("name", "value"), [("api_kye", KEY), ("api_key", KEY.encode()), ("api_key", [KEY])]
)
def test_an_assignment_that_fails_does_not_show_what_was_assigned(
    name: str, value: Any, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises((AttributeError, TypeError)) as caught:
        setattr(vectorshift, name, value)
    assert KEY not in shown(caught.value)


@pytest.mark.parametrize(
    "value", [KEY.encode(), 5, [KEY], {"api_key": KEY}], ids=lambda value: type(value).__name__
)
def test_what_is_neither_text_nor_callable_is_a_type_error_and_changes_nothing(value: Any) -> None:
    vectorshift.api_key = "vs-before"
    with pytest.raises(TypeError, match=f"takes a string, .* not {type(value).__name__}") as caught:
        vectorshift.api_key = value
    assert KEY not in str(caught.value)
    assert read() == "vs-before"


def test_submodules_exports_and_dunders_stay_settable(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = vectorshift
    for name, value in (
        ("plugin", types.ModuleType("vectorshift.plugin")),
        ("Pipeline", object()),
        ("get_credential", object()),
        ("__doc__", "Another."),
        ("__path__", [*module.__path__]),
        ("__custom__", 1),
        ("_private", 1),
    ):
        monkeypatch.setattr(module, name, value, raising=False)
        assert getattr(module, name) is value


def test_a_submodule_that_is_imported_later_is_set_by_the_import() -> None:
    module: Any = vectorshift
    name = "vectorshift.providers.static"
    sys.modules.pop(name, None)
    importlib.import_module(name)
    assert module.providers.static is sys.modules[name]


# --- Where the key comes from ---------------------------------------------------------------------


def test_the_sources_answer_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{NAME}=vs-dotenv\n")
    monkeypatch.setenv(NAME, "vs-env")
    vectorshift.api_key = "vs-explicit"
    assert read() == "vs-explicit"
    vectorshift.api_key = None
    assert read() == "vs-env"
    monkeypatch.delenv(NAME)
    assert read() == "vs-dotenv"


def test_explicit_is_first_even_if_it_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTORSHIFT_PROVIDERS", "env")
    monkeypatch.setenv(NAME, "vs-env")
    vectorshift.api_key = KEY
    assert read() == KEY
    assert [
        provider.name for provider in ProviderChain.from_settings(Settings.load()).providers
    ] == ["explicit", "env"]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (
            "env,vualt",
            ("'vualt', which is neither built in nor an installed plugin. Did you mean vault?"),
        ),
        ("env,default", "'env' twice"),
        ("zz", "default"),
    ],
)
def test_a_provider_that_there_is_not_and_one_that_is_there_twice_are_errors(
    monkeypatch: pytest.MonkeyPatch, names: str, why: str
) -> None:
    monkeypatch.setenv("VECTORSHIFT_PROVIDERS", names)
    with pytest.raises(
        errors.CredentialConfigurationError, match="VECTORSHIFT_PROVIDERS names"
    ) as caught:
        vectorshift.get_credential()
    assert why in str(caught.value)


def test_settings_are_read_once_and_reset_forgets_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert read() is None
    (tmp_path / "key").write_text(KEY)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "key"))
    assert read() is None
    vectorshift.reset()
    assert read() == KEY


def test_reset_leaves_the_attribute() -> None:
    vectorshift.api_key = KEY
    vectorshift.reset()
    assert read() == KEY


def test_configure_sets_what_is_given() -> None:
    vectorshift.configure(credentials=lambda: KEY)
    assert read() == KEY
    vectorshift.configure(credentials=EnvProvider("TEAM_KEY"))
    assert read() is None
    vectorshift.configure(settings=Settings(env_file="none.env"))
    assert read() is None  # credentials that were given stay
    vectorshift.reset()
    vectorshift.configure(settings=Settings(env_file="none.env"))
    with pytest.raises(errors.CredentialConfigurationError, match=r"none\.env cannot be read"):
        read()


def test_a_block_wins_over_the_process_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAME, "vs-env")
    with vectorshift.using("vs-tenant"):
        assert read() == "vs-tenant"
        with vectorshift.using(given_in_async):
            assert read() == KEY
        assert read() == "vs-tenant"
    assert read() == "vs-env"


def test_a_block_that_finds_nothing_never_reaches_the_key_of_the_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(NAME, "vs-other-organisation")
    vectorshift.api_key = "vs-another-organisation"
    with vectorshift.using(ExplicitProvider()):
        assert read() is None
        with pytest.raises(errors.MissingCredentialError):
            vectorshift.get_credential()
        with pytest.raises(errors.MissingCredentialError):
            asyncio.run(vectorshift.aget_credential())
    with (
        vectorshift.using(lambda: None),
        pytest.raises(errors.CredentialConfigurationError, match="returned None"),
    ):
        read()


def test_tasks_see_their_own_block() -> None:
    async def of(tenant: str) -> str:
        with vectorshift.using(lambda: f"vs-{tenant}"):
            await asyncio.sleep(0)
            return (await vectorshift.aget_credential()).secret.reveal()

    async def main() -> list[str]:
        return await asyncio.gather(*map(of, ("acme", "globex")))

    assert asyncio.run(main()) == ["vs-acme", "vs-globex"]


@pytest.mark.parametrize(
    "use",
    [lambda v: vectorshift.using(v).__enter__(), lambda v: vectorshift.configure(credentials=v)],
)
def test_credentials_of_a_wrong_type_are_an_error_that_does_not_show_them(
    use: Callable[[Any], Any], shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(TypeError, match="not bytes") as caught:
        use(KEY.encode())
    assert KEY not in shown(caught.value)


def test_a_home_that_cannot_be_looked_into_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/" + "x" * 300)
    assert read() is None
    with pytest.raises(errors.MissingCredentialError):
        vectorshift.get_credential()


def test_the_key_of_the_official_cli_is_named_and_not_read(tmp_path: Path) -> None:
    (tmp_path / ".vectorshift").mkdir()
    (tmp_path / ".vectorshift" / "config.toml").write_text(f'[auth]\napi_key = "{KEY}"\n')
    with pytest.raises(
        errors.MissingCredentialError, match=r"~/\.vectorshift/config\.toml"
    ) as caught:
        vectorshift.get_credential()
    assert KEY not in str(caught.value)


def test_the_module_survives_a_reload() -> None:
    importlib.reload(vectorshift)
    vectorshift.api_key = KEY
    assert read() == KEY
    with pytest.raises(AttributeError, match="to set"):
        setattr(vectorshift, "api_kye", KEY)  # noqa: B010


def test_showing_what_stands_for_the_process_reads_nothing_and_does_not_raise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vectorshift.scope.current import DEFAULT_SCOPE

    monkeypatch.setenv("VECTORSHIFT_TIMEOUT", "x")
    assert repr(DEFAULT_SCOPE)
