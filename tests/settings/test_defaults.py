"""A process that sets nothing takes the defaults, and does without pydantic."""

from __future__ import annotations

import sys

import hypothesis
import pytest
from hypothesis import strategies as st
from tests.interpreter import output

from vectorshift import Settings
from vectorshift.settings.defaults import DEFAULTS, PlainSettings, plain_settings

FIELDS = list(Settings.model_fields)


def test_there_is_a_default_for_each_field_of_the_model_and_no_other() -> None:
    assert DEFAULTS.keys() == Settings.model_fields.keys()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_field_has_the_default_of_the_model(name: str) -> None:
    ours, theirs = getattr(PlainSettings({}), name), getattr(Settings(), name)
    assert ours == theirs
    assert type(ours) is type(theirs) or name == "plugins"


def test_there_is_no_other_attribute_and_none_can_be_set() -> None:
    settings = PlainSettings({})
    assert not hasattr(settings, "vault_pth")
    with pytest.raises(AttributeError, match="do not change"):
        settings.timeout = 1.0


def test_they_are_what_an_empty_environment_gives() -> None:
    loaded = Settings.load({})
    assert not loaded.model_fields_set - {"env_file"}
    assert all(getattr(loaded, name) == DEFAULTS[name] for name in FIELDS)
    assert not PlainSettings({}).model_fields_set


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [
        ("VECTORSHIFT_API_KEY", "vs-k", True),
        ("VAULT_ADDR", "", True),
        ("vectorshift_timeout", "", True),
        ("VECTORSHIFT_VAULT_PATH", "", True),
        ("VECTORSHIFT_AWS_SECRET_ID", "prod/vs", True),
        ("VECTORSHIFT_VAULT_AUTH", "kubernetes", True),
        ("VECTORSHIFT_VAULT_AUTH", "kubernets", False),
        ("VECTORSHIFT_AWS_SECRET_ID", "two\nlines", False),
        ("VECTORSHIFT_VAULT_ADDR", "https://user:word@vault", False),
        ("VECTORSHIFT_BASE_URL", "no url", False),
        ("VECTORSHIFT_TIMEOUT", "", False),
        ("VECTORSHIFT_TIMOUT", "", False),
        ("VECTORSHIFT_API_KEY_FILE", "", False),
        ("VECTORSHIFT_ENV_FILE", "", False),
        ("VECTORSHIFT_PROFILE", "acme", False),
        ("CREDENTIALS_DIRECTORY", "", False),
    ],
)
def test_what_is_no_plain_text_takes_the_full_path(name: str, value: str, plain: bool) -> None:
    assert (plain_settings({"PATH": "/bin", name: value}) is not None) == plain


ADDRESS = {"VECTORSHIFT_VAULT_ADDR": "https://a.example"}
OTHER = "https://b.example"


@pytest.mark.parametrize(
    ("variables", "plain"),
    [
        (ADDRESS, True),
        ({"VAULT_ADDR": OTHER}, True),
        (ADDRESS | {"VAULT_ADDR": OTHER, "VECTORSHIFT_VAULT_TOKEN": "t"}, True),
        # ~/.vault-token may be for the other server
        (ADDRESS | {"VAULT_ADDR": OTHER}, False),
        (ADDRESS | {"VAULT_ADDR": OTHER, "VAULT_TOKEN": "t"}, False),
        ({"BAO_ADDR": "https://a.example", "VAULT_ADDR": OTHER}, False),
        # of these, the second is not used, which is told
        ({"BAO_TLS_SERVER_NAME": "a", "VAULT_TLS_SERVER_NAME": "b"}, False),
        ({"BAO_PROXY_ADDR": "http://a:1", "VAULT_PROXY_ADDR": "http://b:1"}, False),
        ({"VECTORSHIFT_VAULT_CACERT": "ca", "VAULT_SKIP_VERIFY": "1"}, False),
    ],
)
def test_variables_of_vault_that_do_not_agree_take_the_full_path(
    variables: dict[str, str], plain: bool
) -> None:
    environ = {"VECTORSHIFT_VAULT_PATH": "prod/vs", **variables}
    assert (plain_settings(environ) is not None) == plain


NAMES = [
    "VECTORSHIFT_API_KEY",
    *(f"VECTORSHIFT_{name.upper()}" for name in FIELDS),
    "VECTORSHIFT_VAULT_PTH",
    *(f"{family}_{name}" for family in ("BAO", "VAULT") for name in ("ADDR", "TOKEN", "NAMESPACE")),
    "VAULT_AGENT_ADDR",
    "VAULT_SKIP_VERIFY",
    "VAULT_CACERT",
    "CREDENTIALS_DIRECTORY",
]
VALUES = [
    "",
    " a ",
    "a/b",
    "token",
    "https://a.example",
    "http://127.0.0.1:1/v1",
    "1",
    "root",
    "é\n",
]


# Few environments are plain. By chance, hypothesis finds too few of them in its first fifty.
@hypothesis.settings(
    max_examples=200, suppress_health_check=[hypothesis.HealthCheck.filter_too_much]
)
@hypothesis.given(
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=5), st.booleans()
)
def test_plain_settings_are_what_the_model_makes_of_the_same_variables(
    environ: dict[str, str], has_vault: bool
) -> None:
    environ |= {"VECTORSHIFT_VAULT_PATH": "a/b"} if has_vault else {}
    plain = plain_settings(environ)
    hypothesis.assume(plain is not None)
    loaded = Settings.load(environ)
    assert {name: getattr(plain, name) for name in FIELDS} == {
        name: getattr(loaded, name) for name in FIELDS
    }
    assert plain is not None
    assert plain.model_fields_set == loaded.model_fields_set


@pytest.mark.parametrize(
    "use",
    [
        "assert vectorshift.get_credential().source == 'env:VECTORSHIFT_API_KEY'",
        "assert vectorshift.api_key == 'vs-k'",
        "vectorshift.warm_up()",
        "import asyncio; asyncio.run(vectorshift.awarm_up())",
        "assert vectorshift.VectorShift().base_url",
        "with vectorshift.using('vs-tenant'): assert vectorshift.get_credential()",
        "vectorshift.configure(credentials='vs-k'); assert vectorshift.get_credential()",
    ],
)
def test_pydantic_is_not_imported_where_nothing_but_the_key_is_set(use: str) -> None:
    code = f"import sys, vectorshift\n{use}\nassert 'pydantic' not in sys.modules, 'imported'"
    output(sys.executable, "-c", code, env={"VECTORSHIFT_API_KEY": "vs-k"})


@pytest.mark.parametrize(
    ("variables", "store"),
    [
        ({"VECTORSHIFT_VAULT_PATH": "vs", "VAULT_TOKEN": "t"}, "vault"),
        ({"VECTORSHIFT_AWS_SECRET_ID": "vs"}, "aws"),
    ],
)
def test_a_store_set_by_plain_texts_takes_neither_pydantic_nor_the_other_store(
    variables: dict[str, str], store: str
) -> None:
    other = {"vault": "aws", "aws": "vault"}[store]
    code = (
        "import sys, vectorshift, vectorshift.scope.current as scope\n"
        "scope.DEFAULT_SCOPE.target().provider.resolved()\n"
        f"assert 'vectorshift.providers.{store}.provider' in sys.modules, 'it is set'\n"
        f"found = {{'pydantic', 'asyncio', 'vectorshift.providers.{other}'}} & set(sys.modules)\n"
        "assert not found, found"
    )
    output(sys.executable, "-c", code, env=variables)
