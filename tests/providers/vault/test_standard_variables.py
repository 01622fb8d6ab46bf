"""The standard variables of Vault and OpenBao: which server, namespace and token they lead to, by
settings and for a provider that is made in code.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vectorshift import errors
from vectorshift.credentials import Secret
from vectorshift.providers.vault import VaultProvider
from vectorshift.settings import Settings
from vectorshift.testing.openbao import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.providers.vault.conftest import MakeTiny

OLD, NEW, TEAM = "vs-old-store-key", "vs-new-store-key", "vs-team-key"
PATH = "standard"
CONFIGURATION = errors.CredentialConfigurationError


@pytest.fixture(scope="module")
def old() -> Iterator[OpenBaoServer]:
    with OpenBaoServer() as server:
        server.write(PATH, {"api_key": OLD})
        server.call("POST", "sys/namespaces/team1", {})
        namespace = {"X-Vault-Namespace": "team1"}
        server.call(
            "POST",
            "sys/mounts/secret",
            {"type": "kv", "options": {"version": "2"}},
            headers=namespace,
        )
        server.call("POST", f"secret/data/{PATH}", {"data": {"api_key": TEAM}}, headers=namespace)
        yield server


@pytest.fixture(scope="module")
def new() -> Iterator[OpenBaoServer]:
    with OpenBaoServer() as server:
        server.write(PATH, {"api_key": NEW})
        yield server


class User:
    """Sets variables, and reads in each way that there is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def sets(self, **variables: str) -> None:
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    def load(self) -> VaultProvider:
        self.sets(VECTORSHIFT_VAULT_PATH=PATH)
        made = VaultProvider.from_settings(Settings.load())
        assert made is not None
        return made

    def reads_by_settings(self) -> str:
        with self.load() as vault:
            return vault.get_credential().secret.reveal()

    def reads_in_code(self, **given: Any) -> str:
        with VaultProvider(PATH, **given) as vault:
            return vault.get_credential().secret.reveal()

    def is_told_by_settings(self, *hidden: str) -> str:
        with pytest.raises(CONFIGURATION) as caught:
            self.reads_by_settings()
        return self.shown(caught.value, hidden)

    def is_told_in_code(self, *hidden: str, **given: Any) -> str:
        with pytest.raises(CONFIGURATION) as caught:
            self.reads_in_code(**given)
        return self.shown(caught.value, hidden)

    @staticmethod
    def shown(error: errors.CredentialError, hidden: tuple[str, ...]) -> str:
        said = str(error)
        assert not [value for value in hidden if value in said]
        assert said.isascii()
        return said


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch) -> User:
    return User(monkeypatch)


@pytest.fixture(params=["settings", "code"])
def reads(request: pytest.FixtureRequest, user: User) -> Callable[[], str]:
    return user.reads_by_settings if request.param == "settings" else user.reads_in_code


@pytest.fixture(params=["settings", "code"])
def is_told(request: pytest.FixtureRequest, user: User) -> Callable[..., str]:
    return user.is_told_by_settings if request.param == "settings" else user.is_told_in_code


# --- Which server ---------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["BAO", "VAULT"])
def test_either_family_leads_to_the_key(
    family: str, new: OpenBaoServer, user: User, reads: Callable[[], str]
) -> None:
    user.sets(**{f"{family}_ADDR": new.address, f"{family}_TOKEN": new.root_token})
    assert reads() == NEW


@pytest.mark.parametrize("family", ["BAO", "VAULT"])
def test_the_address_of_the_agent_comes_before_the_server_s(
    family: str, old: OpenBaoServer, new: OpenBaoServer, user: User, reads: Callable[[], str]
) -> None:
    user.sets(**{f"{family}_AGENT_ADDR": new.address, f"{family}_ADDR": old.address})
    user.sets(**{f"{family}_TOKEN": new.root_token})
    assert reads() == NEW


def test_two_servers_are_an_error_that_names_both_variables(
    old: OpenBaoServer, new: OpenBaoServer, user: User, is_told: Callable[..., str]
) -> None:
    user.sets(BAO_ADDR=new.address, VAULT_ADDR=old.address)
    user.sets(BAO_TOKEN=new.root_token, VAULT_TOKEN=old.root_token)
    said = is_told(new.address, old.address, new.root_token, old.root_token)
    assert "BAO_ADDR and VAULT_ADDR name different servers" in said
    assert "BAO_TOKEN and VAULT_TOKEN hold different tokens" in said


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"BAO_AGENT_ADDR": "new", "VAULT_ADDR": "old"}, "BAO_AGENT_ADDR and VAULT_ADDR"),
        ({"BAO_ADDR": "new", "VAULT_AGENT_ADDR": "old"}, "BAO_ADDR and VAULT_AGENT_ADDR"),
        (
            {
                "BAO_AGENT_ADDR": "new",
                "VAULT_AGENT_ADDR": "old",
                "BAO_ADDR": "x",
                "VAULT_ADDR": "x",
            },
            "BAO_AGENT_ADDR and VAULT_AGENT_ADDR",
        ),
    ],
)
def test_an_agent_and_a_server_of_two_families_are_two_servers(
    variables: dict[str, str], named: str, user: User, is_told: Callable[..., str]
) -> None:
    user.sets(**{name: f"https://{value}.example" for name, value in variables.items()})
    user.sets(BAO_TOKEN="t")
    assert f"{named} name different servers" in is_told()


def test_the_agent_of_a_server_that_both_families_name_is_used(
    old: OpenBaoServer, new: OpenBaoServer, user: User, reads: Callable[[], str]
) -> None:
    user.sets(BAO_ADDR=old.address, VAULT_ADDR=f"{old.address}/", BAO_AGENT_ADDR=new.address)
    user.sets(VAULT_TOKEN=new.root_token)
    assert reads() == NEW


@pytest.mark.parametrize("address", ["{}/", "{} ", "HTTP{}"])
def test_one_server_spelt_in_two_ways_is_no_conflict(
    address: str, new: OpenBaoServer, user: User, reads: Callable[[], str]
) -> None:
    other = address.format(new.address).replace("HTTPhttp", "HTTP")
    user.sets(BAO_ADDR=new.address, VAULT_ADDR=other, VAULT_TOKEN=new.root_token)
    assert reads() == NEW


def test_the_setting_that_the_error_names_settles_it(
    old: OpenBaoServer, new: OpenBaoServer, user: User
) -> None:
    user.sets(BAO_ADDR=new.address, VAULT_ADDR=old.address, BAO_TOKEN=new.root_token)
    assert "VECTORSHIFT_VAULT_ADDR" in user.is_told_by_settings()
    user.sets(VECTORSHIFT_VAULT_ADDR=new.address)
    assert user.reads_by_settings() == NEW
    user.sets(VAULT_TOKEN=old.root_token)
    assert "VECTORSHIFT_VAULT_TOKEN" in user.is_told_by_settings()
    user.sets(VECTORSHIFT_VAULT_TOKEN=new.root_token)
    assert user.reads_by_settings() == NEW


def test_the_argument_that_the_error_names_settles_it(
    old: OpenBaoServer, new: OpenBaoServer, user: User
) -> None:
    user.sets(BAO_ADDR=new.address, VAULT_ADDR=old.address, BAO_TOKEN=new.root_token)
    said = user.is_told_in_code()
    assert "addr=" in said
    assert "VECTORSHIFT_" not in said
    assert user.reads_in_code(addr=new.address) == NEW
    user.sets(VAULT_TOKEN=old.root_token)
    assert "token=" in user.is_told_in_code(addr=new.address)
    assert user.reads_in_code(addr=new.address, token=new.root_token) == NEW


def test_without_a_path_the_variables_are_others_affair() -> None:
    environ = {"BAO_ADDR": "https://a.example", "VAULT_ADDR": "https://b.example"}
    assert Settings.load(environ) == Settings()


# --- Whose token ----------------------------------------------------------------------------------


def test_a_token_of_vault_s_serves_openbao_where_no_address_of_vault_s_is_set(
    new: OpenBaoServer, user: User, reads: Callable[[], str]
) -> None:
    user.sets(BAO_ADDR=new.address, VAULT_TOKEN=new.root_token)  # as the bao command reads them
    assert reads() == NEW


@pytest.mark.parametrize("token", ["VAULT_TOKEN", "BAO_TOKEN"])
@pytest.mark.parametrize("address", ["VAULT_ADDR", "BAO_ADDR", "VAULT_AGENT_ADDR"])
def test_a_token_of_the_environment_does_not_go_to_another_address(
    token: str, address: str, user: User, tiny: MakeTiny
) -> None:
    user.sets(**{token: "hvs.of-the-other", address: "https://other.example"})
    with tiny() as server:
        said = user.is_told_in_code("hvs.of-the-other", addr=server.address)
        assert f"addr= and {address} name different servers" in said
        assert "Set token= or token_file=" in said
        user.sets(VECTORSHIFT_VAULT_ADDR=server.address)
        said = user.is_told_by_settings("hvs.of-the-other")
        assert f"VECTORSHIFT_VAULT_ADDR and {address} name different servers" in said
        assert token in said
        assert not server.seen


@pytest.mark.parametrize("address", ["VAULT_ADDR", "BAO_ADDR"])
def test_the_token_helper_s_token_does_not_go_to_another_address(
    address: str, user: User, tiny: MakeTiny
) -> None:
    helper = Path("~/.vault-token").expanduser()
    helper.write_text("hvs.of-the-other")
    user.sets(**{address: "https://other.example"})
    with tiny() as server:
        said = user.is_told_in_code("hvs.of-the-other", addr=server.address)
        assert f"addr= and {address} name different servers" in said
        user.sets(VECTORSHIFT_VAULT_ADDR=server.address)
        assert "VECTORSHIFT_VAULT_TOKEN_FILE" in user.is_told_by_settings("hvs.of-the-other")
        assert not server.seen


def test_nor_does_it_where_settings_are_made_in_code_or_the_file_comes_later(
    user: User, tiny: MakeTiny
) -> None:
    user.sets(VAULT_ADDR="https://other.example")
    with tiny() as server:
        made = [
            VaultProvider.from_settings(Settings(vault_path=PATH, vault_addr=server.address)),
            VaultProvider(PATH, addr=server.address),
        ]
        user.sets(VECTORSHIFT_VAULT_ADDR=server.address)
        made.append(user.load())
        Path("~/.vault-token").expanduser().write_text("hvs.of-the-other")
        for vault in made:
            assert vault is not None
            with pytest.raises(CONFIGURATION, match=r"the token of ~/\.vault-token is for that"):
                vault.get_credential()
        assert not server.seen


BLANK_IS_NO_DEFAULT = [
    "addr",
    "token_file",
    "role",
    "role_id",
    "secret_id_file",
    "creation_path",
    "jwt_file",
    "auth_mount",
]


@pytest.mark.parametrize("argument", BLANK_IS_NO_DEFAULT)
@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_argument_is_refused_and_does_not_mean_the_default(
    argument: str, blank: str
) -> None:
    given: dict[str, Any] = {argument: blank}
    with pytest.raises(ValueError, match=f"{argument} must not be blank"):
        VaultProvider(PATH, **given)


def test_a_blank_setting_is_unset(new: OpenBaoServer) -> None:
    settings = Settings(
        vault_path=PATH,
        vault_addr=new.address,
        vault_token=Secret(new.root_token),
        vault_cacert="",
        vault_token_file="",
    )
    with VaultProvider.from_settings(settings) or pytest.fail("no provider") as vault:
        assert vault.get_credential().secret.reveal() == NEW


def test_the_token_helper_s_file_may_be_named_for_another_address(
    new: OpenBaoServer, user: User
) -> None:
    Path("~/.vault-token").expanduser().write_text(new.root_token)
    user.sets(VAULT_ADDR="https://other.example")
    assert user.reads_in_code(addr=new.address, token_file="~/.vault-token") == NEW
    user.sets(VECTORSHIFT_VAULT_ADDR=new.address)
    user.sets(VECTORSHIFT_VAULT_TOKEN_FILE="~/.vault-token")
    assert user.reads_by_settings() == NEW


def test_the_token_helper_s_token_goes_to_the_address_of_the_environment(
    new: OpenBaoServer, user: User, reads: Callable[[], str]
) -> None:
    Path("~/.vault-token").expanduser().write_text(new.root_token)
    user.sets(BAO_ADDR=new.address)
    assert reads() == NEW


def test_the_token_goes_to_an_address_in_code_that_is_the_environment_s(
    new: OpenBaoServer, user: User
) -> None:
    user.sets(VAULT_ADDR=f"{new.address}/", VAULT_TOKEN=new.root_token)
    assert user.reads_in_code(addr=new.address) == NEW


def test_tokens_that_are_not_used_are_no_conflict(new: OpenBaoServer, user: User) -> None:
    sink = Path("sink")
    sink.write_text(new.root_token)
    user.sets(BAO_ADDR=new.address, BAO_TOKEN="one", VAULT_TOKEN="other")
    assert user.reads_in_code(token_file=str(sink)) == NEW
    user.sets(VECTORSHIFT_VAULT_TOKEN_FILE=str(sink.absolute()))
    assert user.reads_by_settings() == NEW


# --- Which namespace ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key"),
    [("team1", TEAM), ("team1/", TEAM), ("/team1", TEAM), ("root", OLD), ("/", OLD)],
)
@pytest.mark.parametrize("family", ["BAO", "VAULT"])
def test_the_namespace_of_the_environment_counts(
    family: str, name: str, key: str, old: OpenBaoServer, user: User, reads: Callable[[], str]
) -> None:
    user.sets(VAULT_ADDR=old.address, VAULT_TOKEN=old.root_token)
    user.sets(**{f"{family}_NAMESPACE": name})
    assert reads() == key


def test_a_mount_may_begin_with_its_namespace(old: OpenBaoServer, user: User) -> None:
    given = {"addr": old.address, "token": old.root_token}
    assert user.reads_in_code(**given, mount="team1/secret") == TEAM


def test_the_namespace_of_the_environment_counts_for_an_address_and_a_token_in_code(
    old: OpenBaoServer, user: User
) -> None:
    user.sets(VAULT_NAMESPACE="team1")
    given = {"addr": old.address, "token": old.root_token}
    assert user.reads_in_code(**given) == TEAM
    assert user.reads_in_code(**given, namespace="") == OLD
    Path("~/.vault-token").expanduser().write_text(old.root_token)
    assert user.reads_in_code(addr=old.address) == TEAM


@pytest.mark.parametrize("bao", ["team2", ""])
def test_two_namespaces_are_an_error_that_a_setting_settles(
    bao: str, old: OpenBaoServer, user: User
) -> None:
    user.sets(VAULT_ADDR=old.address, VAULT_TOKEN=old.root_token)
    user.sets(BAO_NAMESPACE=bao, VAULT_NAMESPACE="team1")  # "" is the root for the bao command
    assert "BAO_NAMESPACE and VAULT_NAMESPACE name different" in user.is_told_in_code("team1")
    assert user.reads_in_code(namespace="team1") == TEAM
    assert "VECTORSHIFT_VAULT_NAMESPACE" in user.is_told_by_settings("team1")
    user.sets(VECTORSHIFT_VAULT_NAMESPACE="root")
    assert user.reads_by_settings() == OLD
    user.sets(VECTORSHIFT_VAULT_NAMESPACE="team1")
    assert user.reads_by_settings() == TEAM


# --- Identity and trust ---------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["CLIENT_CERT", "CLIENT_KEY"])
def test_two_client_certificates_are_an_error(
    which: str, user: User, is_told: Callable[..., str]
) -> None:
    user.sets(BAO_ADDR="https://bao.example", BAO_TOKEN="t")
    user.sets(**{f"BAO_{which}": "/bao.pem", f"VAULT_{which}": "/vault.pem"})
    said = is_told("/bao.pem", "/vault.pem")
    assert f"BAO_{which} and VAULT_{which} name different client" in said


def test_the_ca_of_openbao_comes_first_and_the_other_one_is_named_once(
    tls_bao: OpenBaoServer,
    user: User,
    reads: Callable[[], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    tls_bao.write(PATH, {"api_key": NEW})
    user.sets(BAO_ADDR=tls_bao.address, BAO_TOKEN=tls_bao.root_token)
    user.sets(BAO_CACERT=tls_bao.cacert or "", VAULT_CACERT="/nowhere.pem")
    assert reads() == NEW
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert said == ["VAULT_CACERT is not used: BAO_CACERT comes before it."]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize(
    ("value", "verified"),
    [(yes, False) for yes in ("1", "true", "TRUE", "t", "yes", "y", "on", " 1 ")]
    + [(no, True) for no in ("0", "false", "False", "f", "no", "n", "off", "")],
)
def test_skip_verify_of_the_environment_counts(
    value: str,
    verified: bool,
    tls_bao: OpenBaoServer,
    user: User,
    reads: Callable[[], str],
    is_told: Callable[..., str],
) -> None:
    tls_bao.write(PATH, {"api_key": NEW})
    user.sets(VAULT_SKIP_VERIFY=value, VAULT_ADDR=tls_bao.address, VAULT_TOKEN=tls_bao.root_token)
    if not verified:
        assert reads() == NEW
        return
    assert "TLS failed" in is_told()


def test_it_does_not_count_where_a_ca_is_given(
    tls_bao: OpenBaoServer,
    user: User,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with OpenBaoServer(tls=True) as other:
        wrong = tmp_path / "ca-of-another.pem"
        wrong.write_text(Path(other.cacert or "").read_text())
    user.sets(VAULT_SKIP_VERIFY="1", VAULT_ADDR=tls_bao.address, VAULT_TOKEN=tls_bao.root_token)
    assert "TLS failed" in user.is_told_in_code(cacert=str(wrong))
    assert "VAULT_SKIP_VERIFY is not used: cacert= comes before it." in caplog.messages
    user.sets(VECTORSHIFT_VAULT_CACERT=str(wrong))
    assert "TLS failed" in user.is_told_by_settings()
    said = "VAULT_SKIP_VERIFY is not used: VECTORSHIFT_VAULT_CACERT comes before it."
    assert said in caplog.messages


def test_a_certificate_and_a_key_that_do_not_belong_together_are_told_as_such(
    tls_bao: OpenBaoServer, user: User, tmp_path: Path
) -> None:
    own = Path(tls_bao.cacert or "").parent
    with OpenBaoServer(tls=True) as other:
        key = tmp_path / "key-of-another.pem"
        key.write_text((Path(other.cacert or "").parent / "vault-key.pem").read_text())
    user.sets(VAULT_ADDR=tls_bao.address, VAULT_TOKEN=tls_bao.root_token)
    user.sets(VAULT_CACERT=tls_bao.cacert or "", VAULT_CLIENT_KEY=str(key))
    certificate = str(own / "vault-cert.pem")
    said = user.is_told_in_code(client_cert=certificate)
    assert "do not belong together" in said
    assert "Check client_cert= and VAULT_CLIENT_KEY." in said
    kind = ed25519.Ed25519PrivateKey.generate()
    key.write_bytes(kind.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "do not belong together" in user.is_told_in_code(client_cert=certificate)
    user.monkeypatch.delenv("VAULT_CLIENT_KEY")
    said = user.is_told_in_code(client_cert=certificate)
    assert "holds no private key in PEM. Set client_key= to the key's file." in said


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("name", ["VECTORSHIFT_VAULT_SKIP_VERIFY", "VAULT_SKIP_VERIFY"])
def test_the_warning_names_the_variable_that_was_set(
    user: User, tls_bao: OpenBaoServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    tls_bao.write(PATH, {"api_key": NEW})
    user.sets(**{name: "1"}, VAULT_ADDR=tls_bao.address, VAULT_TOKEN=tls_bao.root_token)
    assert user.reads_by_settings() == NEW
    assert f"is not verified, because of {name}." in caplog.text


def test_nonsense_for_skip_verify_is_an_error_in_code(user: User) -> None:
    user.sets(VAULT_SKIP_VERIFY="perhaps")
    said = user.is_told_in_code("perhaps", addr="https://vault.example", token="t")
    assert "VAULT_SKIP_VERIFY must be 1 or 0." in said


def test_an_error_names_the_variable_that_a_value_came_from(user: User) -> None:
    user.sets(VAULT_ADDR="vault.example:8200", VAULT_TOKEN="t")
    assert "Look at VAULT_ADDR." in user.is_told_in_code()
    assert "Look at VAULT_ADDR." in user.is_told_by_settings()
    user.sets(VECTORSHIFT_VAULT_ADDR="vault.example:8200")
    assert "Look at VECTORSHIFT_VAULT_ADDR." in user.is_told_by_settings()
    user.sets(VECTORSHIFT_VAULT_ADDR="https://vault.example", VECTORSHIFT_VAULT_TOKEN="t")
    user.sets(BAO_CAPATH="/nowhere/cas")
    assert "BAO_CAPATH names a file that is not there" in user.is_told_by_settings()
    user.sets(BAO_CAPATH="", VAULT_PROXY_ADDR="http://:x")
    assert "the proxy of VAULT_PROXY_ADDR is malformed" in user.is_told_by_settings()


def test_certificates_that_are_no_pem_are_named_by_their_variable(user: User) -> None:
    user.sets(VAULT_ADDR="https://vault.example", VAULT_TOKEN="t")
    user.sets(VAULT_CACERT_BYTES="bm8gcGVt\n" * 20)
    said = user.is_told_by_settings("bm8gcGVt")
    assert "VAULT_CACERT_BYTES: should be the name of a file or folder, or the text of" in said
    user.sets(VAULT_CACERT_BYTES="-----BEGIN CERTIFICATE-----\\nbm8gcGVt")
    said = user.is_told_by_settings("bm8gcGVt")
    assert r"the text holds a malformed certificate. Replace each \n by a line break." in said


# --- When it is read ------------------------------------------------------------------------------


def test_the_variables_are_read_at_first_use_and_stand_from_then_on(
    old: OpenBaoServer, new: OpenBaoServer, user: User
) -> None:
    user.sets(VAULT_ADDR=old.address, VAULT_TOKEN=old.root_token)
    with VaultProvider(PATH) as vault:
        vault.describe()
        user.sets(VAULT_ADDR=new.address, VAULT_TOKEN=new.root_token)
        assert vault.get_credential().secret.reveal() == NEW
        user.sets(VAULT_ADDR=old.address, VAULT_TOKEN=old.root_token)
        assert new.address in (vault.describe().detail or "")
        assert vault.get_credential().secret.reveal() == NEW


def test_after_a_configuration_error_they_are_read_again(new: OpenBaoServer, user: User) -> None:
    with VaultProvider(PATH) as vault:
        with pytest.raises(CONFIGURATION, match=r"no address is set\. Set addr="):
            vault.get_credential()
        user.sets(BAO_ADDR=new.address)
        with pytest.raises(CONFIGURATION, match=r"there is no token\. Set token="):
            vault.get_credential()
        user.sets(BAO_TOKEN=new.root_token)
        assert vault.get_credential().secret.reveal() == NEW


def test_a_provider_of_settings_reads_no_variable(
    old: OpenBaoServer, new: OpenBaoServer, user: User
) -> None:
    made = VaultProvider.from_settings(
        Settings(vault_path=PATH, vault_addr=old.address, vault_token=Secret(old.root_token))
    )
    assert made is not None
    user.sets(VAULT_NAMESPACE="team1", VAULT_ADDR=new.address, VAULT_TOKEN=new.root_token)
    user.sets(BAO_CACERT="/nowhere.pem", BAO_SKIP_VERIFY="perhaps")
    with made:
        assert made.get_credential().secret.reveal() == OLD


# --- None -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "path", "mount", "field", "addr", "namespace", "cacert", "client_cert", "client_key",
        "skip_verify", "allow_http", "auth", "token", "token_file", "role", "role_id", "secret_id",
        "secret_id_file", "secret_id_wrapped", "creation_path", "jwt_file", "auth_mount",
    ],
)  # fmt: skip
def test_none_is_a_type_error_that_names_the_argument(name: str) -> None:
    given: dict[str, Any] = {"path": PATH, "addr": "https://vault.example", name: None}
    with pytest.raises(TypeError, match=rf"^{name} must be .*, not None\."):
        VaultProvider(**given)


def test_a_text_is_no_boolean() -> None:
    with pytest.raises(TypeError, match="skip_verify must be True or False, not a str"):
        VaultProvider(PATH, skip_verify="0")  # type: ignore[arg-type]


class Asking(logging.Handler):
    """A log handler that needs the key for each line."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self.user, self.lines = user, 0

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += 1
        self.user.load()


def test_a_log_handler_that_asks_for_the_settings_is_told_once(user: User) -> None:
    user.sets(BAO_ADDR="https://bao.example", BAO_CACERT="/one.pem", VAULT_CACERT="/other.pem")
    handler, log = Asking(user), logging.getLogger("vectorshift")
    log.addHandler(handler)
    try:
        user.load()
    finally:
        log.removeHandler(handler)
    assert handler.lines == 1
