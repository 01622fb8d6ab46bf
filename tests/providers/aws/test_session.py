"""The private names of boto3 and botocore that we read, where nothing public does it.

One module reads them. A release that has no such name any more fails here, and says which.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.providers.aws.servers import MFA

import vectorshift.providers.aws as package
from vectorshift.providers.aws.session import new_session
from vectorshift.testing.contract.process import audited

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(package.__file__).parent


def provider(session: Any, method: str) -> Any:
    return session._session.get_component("credential_provider").get_provider(method)


def role(session: Any) -> Any:
    return session.get_credentials()._refresh_using._refresh.__self__


OWNERS: dict[str, tuple[Callable[[Any], Any], ...]] = {
    "_assume_kwargs": (role,),
    "_create_process_provider": (lambda s: provider(s, "assume-role")._profile_provider_builder,),
    "_credentials": (lambda s: s.client("secretsmanager")._request_signer,),
    "_endpoint": (lambda s: s.client("secretsmanager"),),
    "_fetcher": (lambda s: provider(s, "container-role"),),
    "_has_been_called": (lambda s: s.get_credentials()._refresh_using,),
    "_load_from_cache": (role,),
    "_popen": (lambda s: provider(s, "custom-process"),),
    "_profile_name": (lambda s: provider(s, "custom-process"),),
    "_profile_provider_builder": (lambda s: provider(s, "assume-role"),),
    "_refresh": (lambda s: s.get_credentials()._refresh_using,),
    "_refresh_using": (lambda s: s.get_credentials(),),
    "_request_signer": (lambda s: s.client("secretsmanager"),),
    "_role_fetcher": (lambda s: provider(s, "iam-role"),),
    "_session": (lambda s: s, lambda s: provider(s, "iam-role")._role_fetcher),
    "_source_credentials": (role,),
}
"""Each private name, and what is to have it, for a `boto3.Session`."""


def private_names(module: Path) -> set[str]:
    """Return the private names that a module reads of objects that are not its own."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if not (isinstance(owner, ast.Name) and owner.id in ("self", "made", "os")):
                names.add(node.attr)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "hasattr"):
            name = node.args[1]
            names.add(str(name.value) if isinstance(name, ast.Constant) else "")
    return {name for name in names if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize("name", OWNERS)
def test_boto3_has_the_private_names_that_we_read(name: str, tmp_path: Path) -> None:
    import boto3

    (tmp_path / "config").write_text(MFA)
    session = boto3.Session(profile_name="mfa")
    for owner in OWNERS[name]:
        assert hasattr(owner(session), name)


def test_one_module_reads_private_names_and_each_is_listed_here() -> None:
    found = {module.name: private_names(module) for module in FOLDER.glob("*.py")}
    # our own mark on a session that we have seen
    assert found.pop("session.py") - {"_vectorshift"} == set(OWNERS)
    assert {name: names for name, names in found.items() if names} == {}


def test_what_botocore_knows_of_a_service_is_read_once_for_all_sessions() -> None:
    def client() -> object:
        session = new_session(profile=None, region="eu-central-1", fallback=None)
        return session.client("secretsmanager")

    client()
    with audited() as events:
        client()
    opened = [str(about[0]) for event, about in events if event == "open"]
    assert [path for path in opened if ".json" in path] == []
