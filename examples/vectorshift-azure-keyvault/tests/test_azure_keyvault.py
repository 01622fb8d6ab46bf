"""The contract, with Microsoft's own clients against a stand-in on loopback: a login by a managed
identity, and a Key Vault that challenges, over TLS.
"""

import datetime
import json
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec
from vectorshift_azure_keyvault import AzureKeyvaultProvider

from vectorshift import Settings
from vectorshift.testing import ProviderContract

HOST = "acme.vault.example"
TOKEN = "eyJ0.of-the-test.x"


class Azure(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document, **headers):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json"}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = urlsplit(self.path).path.strip("/")
        if path == "token":
            ends = int(datetime.datetime.now(datetime.timezone.utc).timestamp()) + 3600
            self.answer(200, {"access_token": TOKEN, "expires_on": str(ends), "resource": "x"})
            return
        where = f"{HOST.partition('.')[2]}:{self.server.server_port}"
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            asks = f'Bearer authorization="https://login.example/t", resource="https://{where}"'
            self.answer(401, {"error": {"code": "Unauthorized"}}, WWW_Authenticate=asks)
            return
        self.server.reads += 1
        name = path.removeprefix("secrets/").strip("/")
        key = self.server.keys.get(name)
        status = self.server.status or (404 if key is None else 200)
        if status != 200:
            self.answer(status, {"error": {"code": "X", "message": "no"}})
            return
        place = f"https://{HOST}:{self.server.server_port}/secrets/{name}/7"
        self.answer(200, {"value": key, "id": place, "attributes": {"enabled": True}})

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """The file of a certificate for the vault and of its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "cert.pem"
    private = (forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    file.write_bytes(made.public_bytes(forms.Encoding.PEM) + key.private_bytes(*private))
    return file


def serving(server):
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    server.keys, server.status, server.reads = {}, 0, 0
    return server


class TestAzureKeyvault(ProviderContract):
    strict = True
    contract = 1

    @pytest.fixture(autouse=True)
    def source(self, monkeypatch, certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        look_up = socket.getaddrinfo

        def at_home(host, *rest, **more):
            return look_up("127.0.0.1" if host == HOST else host, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", at_home)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with (
            ThreadingHTTPServer(("127.0.0.1", 0), Azure) as vault,
            ThreadingHTTPServer(("127.0.0.1", 0), Azure) as identity,
        ):
            vault.socket = context.wrap_socket(vault.socket, server_side=True)
            self.vault, self.identity = serving(vault), serving(identity)
            self.url = f"https://{HOST}:{vault.server_port}"
            endpoint = f"http://127.0.0.1:{identity.server_port}/token"
            monkeypatch.setenv("IDENTITY_ENDPOINT", endpoint)
            monkeypatch.setenv("IDENTITY_HEADER", "of-the-test")
            yield
            vault.shutdown()
            identity.shutdown()

    def make(self):
        return AzureKeyvaultProvider(self.url)

    def put(self, key):
        self.vault.keys["vectorshift"] = key

    def remove(self):
        del self.vault.keys["vectorshift"]

    def break_source(self):
        self.vault.status = 503

    def restore(self):
        self.vault.status = 0

    def deny(self):
        self.vault.status = 403

    def reads(self):
        return self.vault.reads

    def settings(self):
        return Settings(plugins={"azure-keyvault": {"url": self.url}})

    def second_settings(self, key):
        self.vault.keys["second"] = key
        return Settings(plugins={"azure-keyvault": {"url": self.url, "secret": "second"}})

    def make_second(self, key):
        return AzureKeyvaultProvider.from_settings(self.second_settings(key))

    def secrets(self):
        return [TOKEN]

    def test_the_version_is_told(self):
        self.put("vs-1")
        assert self.make().get_credential().version == "7"
