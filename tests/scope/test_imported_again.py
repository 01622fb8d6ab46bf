"""A second import of the package gives the first: two copies would each have a key of their own."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from tests.organisations import aseen, seen

import vectorshift
from vectorshift import Pipeline, using
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def api(api: FakeVectorShift) -> Iterator[FakeVectorShift]:
    """A process that has called with an assigned key of `alpha`; the environment has another."""
    before = ours()
    vectorshift.api_key = api.create_key(org="alpha")
    assert seen() == "alpha"
    yield api
    sys.modules.update(before)


def ours() -> dict[str, Any]:
    return {
        name: module
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "vectorshift"
    }


def remove(*names: str) -> None:
    for name in names:
        sys.modules.pop(name, None)


def patch_out() -> None:
    with mock.patch.dict(sys.modules):
        remove(*ours())
        importlib.import_module("vectorshift")


WAYS: dict[str, Callable[[], object]] = {
    "the package is removed": lambda: remove("vectorshift"),
    "all of it is removed": lambda: remove(*ours()),
    "its modules are removed": lambda: remove(*(set(ours()) - {"vectorshift"})),
    "the scope is removed": lambda: remove(
        "vectorshift.scope.current", "vectorshift.scope.configuration"
    ),
    "the package is reloaded": lambda: importlib.reload(vectorshift),
    "all of it is reloaded": lambda: [*map(importlib.reload, ours().values())],
    "it is patched out of sys.modules": patch_out,
}


@pytest.mark.anyio
@pytest.mark.parametrize("way", WAYS)
async def test_what_is_set_after_a_second_import_counts_for_every_call(
    api: FakeVectorShift, way: str
) -> None:
    for turn in range(2):
        WAYS[way]()
        again: Any = importlib.import_module("vectorshift")
        again.api_key = api.create_key(org=f"beta{turn}")
        assert again.Pipeline is Pipeline
        assert (seen(), await aseen()) == (f"beta{turn}", f"beta{turn}")
        WAYS[way]()
        from vectorshift import configure, using as used

        with used(api.create_key(org="block")):
            assert (seen(), await aseen()) == ("block", "block")
        configure(credentials=api.create_key(org="configured"))
        assert (seen(), await aseen()) == ("configured", "configured")
        WAYS[way]()
        again.configure(require_using=True)
        with pytest.raises(vectorshift.CredentialConfigurationError):
            seen()
        with using(api.create_key(org="block")):
            assert seen() == "block"
        importlib.import_module("vectorshift").reset()
    await vectorshift.aclose()


def test_the_old_name_goes_on_while_the_module_is_removed(api: FakeVectorShift) -> None:
    remove(*ours())
    vectorshift.reset()
    assert seen() == "alpha"
    vectorshift.api_key = api.create_key(org="beta")
    assert seen() == "beta"
    assert vectorshift.explain().outcome == "found"


def test_another_object_under_the_name_does_not_hide_the_assigned_key(
    api: FakeVectorShift, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectorshift.reset()
    monkeypatch.setitem(sys.modules, "vectorshift", mock.MagicMock())
    assert vectorshift.get_credential().source == "explicit:api_key"


def test_a_second_import_says_what_is_still_in_force(
    api: FakeVectorShift, caplog: pytest.LogCaptureFixture
) -> None:
    remove(*ours())
    importlib.import_module("vectorshift")
    (record,) = caplog.records
    assert (record.levelno, record.name) == (logging.WARNING, "vectorshift")
    assert "It is the same module" in record.getMessage()
    caplog.clear()
    importlib.import_module("vectorshift.scope.current")
    assert caplog.records == []
    del vectorshift.api_key
    vectorshift.reset()
    assert seen() == "process"


def test_modules_keep_their_identity_and_their_spec(api: FakeVectorShift) -> None:
    before = ours()
    specs = {name: (each.__spec__, each.__loader__) for name, each in before.items()}
    remove(*before)
    for name, module in before.items():
        assert importlib.import_module(name) is module
        assert importlib.reload(module) is module
        assert (module.__spec__, module.__loader__) == specs[name]
    secret = pickle.loads(pickle.dumps(vectorshift.Secret("vs-a")))
    assert type(secret) is vectorshift.Secret


def test_a_module_that_was_not_loaded_is_loaded(api: FakeVectorShift) -> None:
    program = (
        "import sys, vectorshift; del sys.modules['vectorshift']; import vectorshift._platform.sse"
        " as sse;assert sys.modules['vectorshift']._platform.sse is sse is"
        " sys.modules['vectorshift._platform.sse'];assert sse.ServerSentEvent is"
        " vectorshift.ServerSentEvent;import importlib.util; assert"
        " importlib.util.find_spec('vectorshift.nothing') is None"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_copy_that_is_made_by_hand_is_refused() -> None:
    spec = importlib.util.spec_from_file_location("vectorshift", vectorshift.__file__)
    assert spec is not None
    assert spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    with pytest.raises(ImportError, match="is loaded already"):
        spec.loader.exec_module(copy)
