"""The pages about Vault do what they say: their commands run on a real server, and their settings
lead to the key.

`sh` blocks are run in order; an `hcl` block is given to `bao agent` or `bao proxy`, whichever its
first line names; `bash` blocks are the environment that the service is then read with.
"""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.providers.vault.stand_ins import BaoSide, Issuer, token_review

from vectorshift.providers.vault import VaultProvider
from vectorshift.settings import Settings
from vectorshift.testing import _processes as process
from vectorshift.testing.openbao import OpenBaoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.providers.vault.conftest import MakeTiny

PAGES = Path(__file__).parents[3] / "docs" / "vault"
METHODS = [
    "token",
    "approle",
    "kubernetes",
    "jwt",
    "userpass",
    "cert",
    "agent",
    "node-proxy",
]


class Reader:
    """Follows a page as a person would, with the names of this machine in place of the page's
    own.
    """

    def __init__(self, server: OpenBaoServer, home: Path, names: dict[str, str]) -> None:
        self.server, self.home, self.names = server, home, names
        self.environ: dict[str, str] = {}
        self.stack = ExitStack()

    def follow(self, page: str) -> None:
        text = (PAGES / f"{page}.md").read_text("utf-8")
        for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if language in ("sh", "bash", "yaml", "hcl"):
                getattr(self, language)(self.here(code))

    def here(self, text: str) -> str:
        for name, ours in self.names.items():
            text = text.replace(name, ours)
        return text

    def sh(self, code: str) -> None:
        binary = Path(process.binary())
        path = f"{binary.parent}{os.pathsep}{os.environ['PATH']}"
        environ = {
            "BAO_ADDR": self.server.address,
            "BAO_TOKEN": self.server.root_token,
            "PATH": path,
        }
        environ |= {"BAO_CACERT": self.server.cacert or "", "HOME": str(self.home)}
        script = ["bash", "-euo", "pipefail", "-c", code]
        done = subprocess.run(
            script, cwd=self.home, env=environ, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr

    def bash(self, code: str) -> None:
        lines = [line.removeprefix("export ").partition("=") for line in code.splitlines()]
        self.environ |= {name: value for name, _, value in lines}

    def yaml(self, code: str) -> None:
        self.environ |= {
            n: v.strip('"') for n, v in re.findall(r"name: (VECTORSHIFT_\w+), value: (\S+) }", code)
        }
        for probe in re.findall(r"exec: { command: \[(.+)\] }", code):
            self.sh(f"env -u BAO_TOKEN {probe.replace(',', '')}")

    def hcl(self, code: str) -> None:
        kind = re.match(r"# bao (agent|proxy) ", code)
        assert kind is not None
        side = self.stack.enter_context(BaoSide(kind[1], code.replace(":8100", ":PORT"), self.home))
        side.wait_for("secret/data/vectorshift")
        self.names[":8100"] = f":{side.port}"

    def read(self) -> str:
        vault = VaultProvider.from_settings(Settings.load(self.environ))
        assert vault is not None
        with vault:
            return vault.get_credential().secret.reveal()


@pytest.fixture
def reader(tmp_path: Path, tiny: MakeTiny) -> Iterator[Reader]:
    """A reader with a server of its own, a cluster that knows one account, and identities in
    files.
    """
    issuer, secrets = Issuer(), tmp_path / "secrets"
    secrets.mkdir()
    claims = {"sub": "ci", "aud": "https://vault.example.com", "repository": "acme/app"}
    files = {
        "identity.jwt": issuer.sign(claims),
        "issuer.pem": issuer.public,
        "token": issuer.service_account(),
        "cluster-ca.pem": "none",
    }
    for name, text in files.items():
        (secrets / name).write_text(text)
    with OpenBaoServer(tls=True) as server, tiny(201, token_review()) as cluster:
        names = {
            "https://vault.example.com:8200": server.address,
            "/etc/ssl/vault-ca.pem": str(server.cacert),
            "https://kubernetes.default.svc:443": cluster.address,
            "https://k8s.example.com:6443": cluster.address,
            "/etc/vault/ca.pem": str(server.cacert),
            "/var/run/secrets/kubernetes.io/serviceaccount": str(secrets),
            "/var/run/secrets/vault": str(secrets),
            "/run/secrets": str(secrets),
            "/etc/ssl": str(secrets),
        }
        reader = Reader(server, tmp_path, names)
        with reader.stack:
            yield reader


@pytest.mark.parametrize("page", [*METHODS, "../deploy/eks-agent"])
def test_the_commands_of_the_page_set_the_server_up_and_its_settings_lead_to_the_key(
    page: str, reader: Reader
) -> None:
    reader.follow("index")
    reader.environ.clear()  # an example of its own
    reader.follow(page)
    assert reader.environ["VECTORSHIFT_VAULT_PATH"] == "vectorshift"
    assert reader.read() == "vs-..."


def test_the_page_about_approle_works_without_wrapping_as_well(reader: Reader) -> None:
    reader.follow("index")
    reader.follow("approle")
    wrapped = [name for name in reader.environ if name.endswith(("_WRAPPED", "_CREATION_PATH"))]
    assert len(wrapped) == 2
    for name in wrapped:
        del reader.environ[name]
    secret_id = reader.server.call("POST", "auth/approle/role/vectorshift/secret-id")["data"][
        "secret_id"
    ]
    Path(reader.environ["VECTORSHIFT_VAULT_SECRET_ID_FILE"]).write_text(secret_id)
    assert reader.read() == "vs-..."


def test_the_metadata_command_of_the_details_ends_the_key(reader: Reader) -> None:
    reader.follow("index")
    reader.follow("details")
    vault = VaultProvider(
        "vectorshift",
        addr=reader.server.address,
        cacert=str(reader.server.cacert),
        token=reader.server.root_token,
    )
    ends = vault.get_credential().expires_at
    assert ends is not None
    assert ends.isoformat() == "2099-12-31T00:00:00+00:00"


def test_each_page_is_there_and_in_the_navigation() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")}
    assert pages == {"index", "details", "failures", "aws", *METHODS}
    navigation = (PAGES.parents[1] / "mkdocs.yml").read_text("utf-8")
    assert all(f"vault/{page}.md" in navigation for page in pages)
