"""Print what a caller gets for each failure of a Vault server: `python -m
tests.providers.vault.table`.

Each row does something to a real server (or to a stand-in, for what OpenBao cannot be brought to
answer) and asks.
"""

from __future__ import annotations

import re
import ssl
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.certificates import Authority
from tests.providers.vault.conftest import serve
from tests.providers.vault.stand_ins import Issuer, role, token_review
from tests.providers.vault.test_classify import DISASTER, NO_LEADER

from vectorshift.credentials.resolving import LookupRequest, Result
from vectorshift.errors import CredentialError
from vectorshift.providers.vault import VaultProvider
from vectorshift.settings import Settings
from vectorshift.testing.openbao import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "vs-key-3f9c2e71d8"
PATH = "vectorshift"

Asked = tuple[str, Result]
"""What was done, and what the caller got."""


@dataclass(frozen=True)
class Stage:
    """A plain server, one that speaks TLS, both with a key at `vectorshift`, and a folder for
    files.
    """

    bao: OpenBaoServer
    tls: OpenBaoServer
    home: Path

    def ask(self, done: str, path: str = PATH, *, seconds: float = 9, **more: Any) -> Asked:
        """Ask the plain server as root, unless more is said."""
        given = {"path": path, "addr": self.bao.address, "token": self.bao.root_token, **more}
        made = Settings(**{f"vault_{name}": value for name, value in given.items()})
        vault = VaultProvider.from_settings(made)
        assert vault is not None
        with vault:
            return done, vault.resolve(LookupRequest(deadline=time.monotonic() + seconds))

    def ask_approle(self, done: str, **more: Any) -> Asked:
        return self.ask(done, auth="approle", **{**role(self.bao, "app"), **more})

    def file(self, name: str, text: str) -> str:
        (self.home / name).write_text(text)
        return str(self.home / name)


@contextmanager
def stage() -> Iterator[Stage]:
    with ExitStack() as stack:
        bao, tls = (
            stack.enter_context(OpenBaoServer()),
            stack.enter_context(OpenBaoServer(tls=True)),
        )
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for server in (bao, tls):
            server.write(PATH, {"api_key": KEY})
        bao.enable_auth("jwt")
        bao.call("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [Issuer().public]})
        bao.call(
            "POST",
            "auth/jwt/role/app",
            {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vs"]},
        )
        bao.enable_auth("kubernetes")
        yield Stage(bao, tls, home)


def unreachable(at: Stage) -> Iterator[Asked]:
    with serve() as server:
        address = server.address
    yield at.ask("it is stopped", addr=address)
    yield at.ask("it is stopped, and spoken to by a unix socket", addr="unix:///nowhere/agent.sock")
    over = threading.Event()
    with serve(before=over.wait) as server:
        yield at.ask("it is held up for longer than the time-out", addr=server.address, seconds=1)
        over.set()
    with serve(200, "{", {"Content-Length": "9", "Connection": "close"}) as server:
        yield at.ask("it breaks off in the midst of its answer", addr=server.address)


def tls(at: Stage) -> Iterator[Asked]:
    yield at.ask("its certificate is signed by a CA that is not trusted", addr=at.tls.address)
    at.tls.call("POST", "sys/mounts/pki", {"type": "pki"})
    other = at.tls.call("POST", "pki/root/generate/internal", {"common_name": "other ca"})["data"]
    wrong = at.file("other.pem", other["certificate"])
    yield at.ask(
        "its certificate is signed by another CA than the one set",
        addr=at.tls.address,
        cacert=wrong,
    )
    yield at.ask(
        "it speaks plain HTTP, the address says https", addr=at.bao.address.replace("http", "https")
    )
    yield at.ask(
        "it speaks TLS, the address says http", addr=at.tls.address.replace("https", "http")
    )
    yield at.ask("(the CA's file is not there)", addr=at.tls.address, cacert="/nowhere/ca.pem")
    broken = at.file("broken.pem", "no certificate")
    yield at.ask("(the CA's file holds no certificate)", addr=at.tls.address, cacert=broken)
    der = at.home / "ca.der"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(Path(at.tls.cacert or "").read_text()))
    yield at.ask("(the CA's file is in DER)", addr=at.tls.address, cacert=str(der))
    folder = at.home / "no-authorities"
    folder.mkdir()
    yield at.ask("(the CA's folder holds no certificate)", addr=at.tls.address, cacert=str(folder))
    own: dict[str, Any] = {"addr": at.tls.address, "cacert": at.tls.cacert}
    name = "vault.example.com"
    yield at.ask("its certificate is for another name", **own, tls_server_name=name)
    expired = Authority(at.home, expired=True)
    with serve(200, "{}", tls=expired.context) as server:
        yield at.ask("its certificate has expired", addr=server.address, cacert=str(expired.file))
    yield from clients(at, own, expired)
    yield at.ask("(the address has no scheme)", addr="vault.example.com:8200")
    yield at.ask(
        "(the address is plain HTTP to another machine)", addr="http://vault.example.com:8200"
    )
    yield at.ask("(the token holds a line break)", token="hvs.a\nhvs.b")


def clients(at: Stage, own: dict[str, Any], authority: Authority) -> Iterator[Asked]:
    home = Path(at.tls.cacert or "").parent
    cert, key = str(home / "vault-cert.pem"), str(home / "vault-key.pem")
    text = Path(key).read_text()
    other = at.file("other-key.pem", authority.own.read_text())
    locked = at.file("locked.pem", text.replace("PRIVATE", "ENCRYPTED PRIVATE"))
    yield at.ask(
        "(the client's key is of another certificate)", **own, client_cert=cert, client_key=other
    )
    yield at.ask("(the client's key is encrypted)", **own, client_cert=cert, client_key=locked)
    yield at.ask("(the client's certificate has no key)", **own, client_cert=cert)
    yield at.ask("(the client's certificate is none)", **own, client_cert=key)
    yield at.ask("(the client's key has no certificate)", **own, client_key=key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.own)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # 1.3 refuses after it, and may be cut off
    valid = Authority(at.home / "no-authorities")
    context.load_cert_chain(valid.own)
    with serve(200, "{}", tls=context) as server:
        more: dict[str, Any] = {"addr": server.address, "cacert": str(valid.file)}
        yield at.ask("it asks for a client certificate", **more)
        yield at.ask(
            "it trusts another client certificate", **more, client_cert=cert, client_key=key
        )


def proxies(at: Stage) -> Iterator[Asked]:
    far = "https://vault.example.com:8200"
    with serve() as server:
        address = server.address
    yield at.ask("(the proxy does not answer)", addr=far, proxy=address)
    yield at.ask("(the proxy is malformed)", addr=far, proxy="http://me:pa ss@:x")
    yield at.ask(
        "(the proxy is SOCKS, without its package)", addr=far, proxy="socks5://127.0.0.1:1"
    )


def unwell(at: Stage) -> Iterator[Asked]:
    at.tls.seal()
    more: dict[str, Any] = {
        "addr": at.tls.address,
        "cacert": at.tls.cacert,
        "token": at.tls.root_token,
    }
    yield at.ask("it is sealed", **more)
    at.tls.unseal()
    at.bao.call(
        "POST",
        "sys/quotas/rate-limit/tight",
        {"rate": 1, "interval": "60s", "path": f"secret/data/{PATH}"},
    )
    at.ask("the one read that the quota allows")
    yield at.ask("a rate-limit quota is used up (429)", on_error="continue")
    at.bao.call("DELETE", "sys/quotas/rate-limit/tight")
    for status in (500, 501, 502, 504, 412, 472, 473):
        with serve(status, '{"errors":[]}') as server:
            yield at.ask(f"it answers {status}", addr=server.address, on_error="continue")
    with serve(500, f'{{"errors":["{NO_LEADER}"]}}') as server:
        yield at.ask("its cluster elects a leader (500)", addr=server.address, on_error="continue")
    away = {"Location": f"https://10.0.0.1:8200/v1/secret/data/{PATH}"}
    with serve(307, "", away) as server:
        yield at.ask("it redirects to its leader (307)", addr=server.address, on_error="continue")
    with serve(400, f'{{"errors":["{DISASTER}"]}}') as server:
        yield at.ask("it replicates for disasters (400)", addr=server.address)


def tokens(at: Stage) -> Iterator[Asked]:
    yield at.ask("it never made the token", token="hvs.unknown")
    short = at.bao.token(["root"], ttl="1s")
    time.sleep(1.1)
    yield at.ask("it let the token expire", token=short)
    gone = at.bao.token(["root"])
    at.bao.revoke(gone)
    yield at.ask("it revoked the token", token=gone)
    yield at.ask("its policy does not allow the read", token=at.bao.token())
    wrapping = at.bao.call("POST", "auth/token/create", {}, headers={"X-Vault-Wrap-TTL": "60s"})[
        "wrap_info"
    ]["token"]
    yield at.ask("(the token wraps another)", token=wrapping)
    found: dict[str, Any] = role(at.bao, "app")
    at.bao.policy("reader", 'path "secret/data/other" { capabilities = ["read"] }')
    yield at.ask("its policy does not allow the read, right after a login", auth="approle", **found)


def logins(at: Stage) -> Iterator[Asked]:
    yield at.ask_approle("it does not know the secret id (400)", secret_id="wrong")
    jwt = at.file("jwt", Issuer().sign({"sub": "me", "aud": "vs"}))
    yield at.ask("it does not trust who signed the JWT (400)", auth="jwt", role="app", jwt_file=jwt)
    with serve(201, token_review()) as cluster:
        config = {
            "kubernetes_host": cluster.address,
            "kubernetes_ca_cert": "none",
            "disable_local_ca_jwt": True,
        }
        at.bao.call("POST", "auth/kubernetes/config", config)
        bound = {
            "bound_service_account_names": "other",
            "bound_service_account_namespaces": "default",
        }
        at.bao.call("POST", "auth/kubernetes/role/app", bound)
        account = at.file("account", Issuer().service_account())
        done = "it does not accept the service account (403)"
        yield at.ask(done, auth="kubernetes", role="app", jwt_file=account)
    yield at.ask_approle("its auth method is mounted elsewhere (403)", auth_mount="elsewhere")
    made: dict[str, Any] = {"headers": {"X-Vault-Wrap-TTL": "60s"}}
    wrapping = at.bao.call("POST", "auth/approle/role/app/secret-id", {}, **made)["wrap_info"][
        "token"
    ]
    at.bao.call("POST", "sys/wrapping/unwrap", {"token": wrapping})
    wrapped: dict[str, Any] = {"secret_id_wrapped": True, "secret_id": wrapping}
    yield at.ask_approle("its wrapped secret id was unwrapped by somebody before", **wrapped)
    wrapped["secret_id"] = at.bao.call("POST", "sys/wrapping/wrap", {"secret_id": "x"}, **made)[
        "wrap_info"
    ]["token"]
    yield at.ask_approle("the wrapped secret id was made elsewhere", **wrapped)


def places(at: Stage) -> Iterator[Asked]:
    yield at.ask("it has no such path", "nothing/here")
    yield at.ask("it has no such version", version=9)
    yield at.ask("it has no such mount", mount="nowhere")
    yield at.ask(
        "it has no such mount, and the token is limited (403)",
        mount="nowhere",
        token=at.bao.token(),
    )
    yield at.ask("it has no such namespace", namespace="nowhere")
    at.bao.policy("one", f'path "secret/data/{PATH}" {{ capabilities = ["read"] }}')
    limited = at.bao.token(["one"])
    for path in (f"data/{PATH}", f"secret/{PATH}", f"secret/data/{PATH}", f"v1/secret/data/{PATH}"):
        yield at.ask(f"(the path is {path}, and the token is limited)", path, token=limited)
    yield at.ask("(the path begins with the mount)", f"secret/{PATH}")
    yield at.ask("(the mount ends in data)", mount="secret/data")
    at.bao.mount_kv("org/team")
    at.bao.write(PATH, {"api_key": KEY}, mount="org/team")
    at.bao.policy("team", f'path "org/team/data/{PATH}" {{ capabilities = ["read"] }}')
    team = at.bao.token(["team"])
    yield at.ask("(the mount is cut short)", f"team/{PATH}", mount="org", token=team)
    done, whole = "(the path begins with another mount)", f"org/team/{PATH}"
    yield at.ask(done, whole)
    yield at.ask(f"{done[:-1]}, and the token is limited)", whole, token=team)
    at.bao.policy("old", f'path "old/{PATH}" {{ capabilities = ["read"] }}')
    at.bao.mount_kv("old", version=1)
    at.bao.write(PATH, {"api_key": KEY}, mount="old")
    yield at.ask("its mount is KV 1, the setting says 2", mount="old")
    old = at.bao.token(["old"])
    yield at.ask(
        "its mount is KV 1, the setting says 2, and the token is limited", mount="old", token=old
    )
    yield at.ask("its mount is KV 2, the setting says 1", kv_version=1)


def secrets(at: Stage) -> Iterator[Asked]:
    at.bao.write("fields", {"key": KEY, "user": "me"})
    yield at.ask("the secret has no such field", "fields")
    at.bao.write("number", {"api_key": 1})
    yield at.ask("the field is no string", "number")
    at.bao.call("POST", "secret/metadata/fields", {"custom_metadata": {"expires_at": "soon"}})
    yield at.ask("the custom metadata's `expires_at` is no time", "fields", field="key")
    at.bao.write("deleted", {"api_key": KEY})
    at.bao.delete("deleted")
    yield at.ask("the version was deleted", "deleted")
    at.bao.write("destroyed", {"api_key": KEY})
    at.bao.destroy("destroyed", [1])
    yield at.ask("the version was destroyed", "destroyed")


def strangers(at: Stage) -> Iterator[Asked]:
    with serve(200, "<html>welcome</html>") as server:
        yield at.ask("something else answers there: 200 and no JSON", addr=server.address)
    for status, body in ((403, "<html>denied</html>"), (401, ""), (404, '{"detail":"Not Found"}')):
        with serve(status, body) as server:
            what = "HTML" if "<" in body else "no JSON of Vault's" if body else "nothing"
            yield at.ask(f"a gateway in between answers {status} and {what}", addr=server.address)
    with serve(302, "", {"Location": "https://login.example.com/"}) as server:
        yield at.ask("it redirects to another place (302)", addr=server.address)


PARTS: list[Callable[[Stage], Iterator[Asked]]] = [
    unreachable,
    tls,
    proxies,
    unwell,
    tokens,
    logins,
    places,
    secrets,
    strangers,
]


def rows() -> list[Asked]:
    """Do everything to the servers, and return what was done and what the caller got."""
    with stage() as at:
        return [asked for part in PARTS for asked in part(at)]


def table(asked: list[Asked]) -> str:
    """Return the rows as a table of Markdown."""
    lines = ["| done to the server | the caller gets | it says |", "| --- | --- | --- |"]
    for done, answer in asked:
        assert isinstance(answer, CredentialError), done
        said = re.sub(rf"{tempfile.gettempdir()}/\S*/", "/etc/ssl/", str(answer))
        said = re.sub(r"[\d.]+ s\b", "N s", said)
        said = " ".join(said.partition("): ")[2].split()).replace("<", "&lt;").replace("|", "\\|")
        lines.append(f"| {done} | `{type(answer).__name__}` | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(rows()))
