"""The public paths, frozen: where code stands may change, where users import it from may not."""

from __future__ import annotations

import importlib
import json
import pickle
import pkgutil
import sys
from base64 import b64decode
from pathlib import Path

import pytest
from tests.interpreter import printed

import vectorshift
from vectorshift import Credential, CredentialEvent, Secret, errors


def _public_names() -> dict[str, set[str]]:
    """Return the names of each public path: a path is a line, and its names are indented below."""
    paths: dict[str, set[str]] = {}
    names = set[str]()
    for line in Path(__file__).with_name("public_names.txt").read_text("utf-8").splitlines():
        if line.startswith(" "):
            names.update(line.split())
        else:
            names = paths[line] = set[str]()
    return paths


PATHS = _public_names()
FACE = PATHS["vectorshift"]
LARGEST = {  # how many modules of ours a name may load
    "ServerSentEvent": 2,
    "Report": 2,
    "CredentialProvider": 4,
    "CredentialEvent": 12,
    "Credential": 8,
    "ProviderChain": 36,
    "get_credential": 44,
    "VectorShift": 70,
    "Pipeline": 82,
}
WEIGHTLESS = FACE - PATHS["vectorshift.client"] - PATHS["vectorshift.pipeline"]
WEIGHTLESS -= {"CredentialAuth", "PluginSettings", "Settings"}
WEIGHTLESS -= {"aclose", "awarm_up", "close", "configure", "httpx2_auth", "reset", "warm_up"}

LOADS = """
import json, os, sys, vectorshift
found = {}
for names in vectorshift._HOMES.values():  # with a name come all those of its module
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        before = set(sys.modules)
        loads = {}
        for name in names.split():
            getattr(vectorshift, name)
            loads[name] = sorted(set(sys.modules) - before)
        os.write(writer, json.dumps(loads).encode())
        os._exit(0)
    os.close(writer)
    with open(reader) as pipe:
        found.update(json.load(pipe))
    os.waitpid(child, 0)
print(json.dumps(found))
"""


@pytest.mark.parametrize("path", PATHS)
def test_each_public_path_has_its_names(path: str) -> None:
    module = importlib.import_module(path)
    assert [name for name in PATHS[path] if not hasattr(module, name)] == []
    if hasattr(module, "__all__"):
        assert set(module.__all__) >= PATHS[path]


def test_no_public_name_is_a_module_once_all_of_them_are_imported() -> None:
    code = (
        "import importlib, pkgutil, types, vectorshift\n"
        "for each in pkgutil.walk_packages(vectorshift.__path__, 'vectorshift.'):\n"
        "    if not each.name.endswith('__main__'): importlib.import_module(each.name)\n"
        "print([n for n in vectorshift.__all__ if isinstance(getattr(vectorshift, n),"
        " types.ModuleType)])"
    )
    assert printed(code) == "[]\n"
    assert {each.name for each in pkgutil.iter_modules(vectorshift.__path__)}.isdisjoint(FACE)


def test_a_name_loads_no_more_than_it_needs() -> None:
    loads: dict[str, list[str]] = json.loads(printed(LOADS))
    assert set(loads) >= FACE
    ours = {name: sum(each.startswith("vectorshift") for each in loads[name]) for name in loads}
    assert {name: ours[name] for name in LARGEST if ours[name] > LARGEST[name]} == {}
    heavy = {
        "httpx",
        "anyio",
        "pydantic",
        "pydantic_settings",
        "dotenv",
        "hvac",
        "boto3",
        "botocore",
    }
    assert {name: heavy & set(loads[name]) for name in WEIGHTLESS if heavy & set(loads[name])} == {}


def test_what_is_part_of_the_contract_with_others_keeps_its_name() -> None:
    from vectorshift._platform.entry_points import GROUP
    from vectorshift.credentials.events import log
    from vectorshift.transport.auth import CREDENTIAL

    assert (GROUP, log.name, CREDENTIAL) == (
        "vectorshift.providers",
        "vectorshift",
        "vectorshift.credential",
    )


@pytest.mark.parametrize(
    "value",
    [
        Secret("vs-a"),
        Credential(secret="vs-a", source="env:X", provider="env"),
        CredentialEvent(kind="resolved", provider="env", source="env:X"),
        errors.CredentialNotFoundError("no", source="env:X", provider="env"),
        errors.CredentialDeniedError("no", source="vault:x", provider="vault"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_pickle_names_no_place_in_the_code(value: object) -> None:
    packed = pickle.dumps(value)
    assert type(pickle.loads(packed)) is type(value)
    for module in _private_modules():
        assert module.encode() not in packed


OLD_CREDENTIAL = (
    "gASVtgAAAAAAAACMF3ZlY3RvcnNoaWZ0LmNyZWRlbnRpYWxzlIwKQ3JlZGVudGlhbJSTlCmBlF2UKGgA"
    "jAdfc2VhbGVklJOUjAkjYzc0NWI2YzOUhZRSlIwFZW52OliUjANlbnaUTowIZGF0ZXRpbWWUjAhkYXRl"
    "dGltZZSTlEMKB+oBAQAAAAAAAJRoDIwIdGltZXpvbmWUk5RoDIwJdGltZWRlbHRhlJOUSwBLAEsAh5RS"
    "lIWUUpSGlFKUTmViLg=="
)
OLD_ERROR = (
    "gASVogAAAAAAAACMF3ZlY3RvcnNoaWZ0LmVycm9ycy5iYXNllIwHX3Jldml2ZZSTlIwddmVjdG9yc2hp"
    "ZnQuZXJyb3JzLmNyZWRlbnRpYWyUjBVDcmVkZW50aWFsRGVuaWVkRXJyb3KUk5SMAm5vlIWUfZQojAdt"
    "ZXNzYWdllGgGjAZzb3VyY2WUjAd2YXVsdDp4lIwIcHJvdmlkZXKUjAV2YXVsdJR1h5RSlC4="
)


def test_pickles_of_1_0_still_load() -> None:
    credential, error = (pickle.loads(b64decode(text)) for text in (OLD_CREDENTIAL, OLD_ERROR))
    assert str(credential) == "env:X #c745b6c3"
    assert (str(error), error.source) == ("no", "vault:x")


def _private_modules() -> list[str]:
    return [name for name in sys.modules if name.startswith("vectorshift.") and name not in PATHS]
