"""The contract, with Google's own client against a stand-in on loopback: a login with the key of a
service account, and Secret Manager's REST API.
"""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import rsa
from vectorshift_gcp import GcpProvider

from vectorshift import CredentialConfigurationError, ProviderChain, Settings
from vectorshift.testing import ProviderContract

PLACE = "projects/acme/secrets/vectorshift"


class Google(BaseHTTPRequestHandler):
    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        token = {"access_token": "ya29.of-the-test", "expires_in": 3600, "token_type": "Bearer"}
        self.answer(200, token)

    def do_GET(self):
        self.server.reads += 1
        name = self.path.removeprefix("/v1/").partition(":access")[0]
        key = self.server.keys.get(name.partition("/versions/")[0])
        status = self.server.status or (404 if key is None else 200)
        if status != 200:
            self.answer(status, {"error": {"code": status, "message": "no", "status": "X"}})
            return
        data = base64.b64encode(key.encode()).decode()
        resolved = name.replace("latest", "7")
        self.answer(200, {"name": resolved, "payload": {"data": data}})

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def account(tmp_path_factory):
    """The file of a service account, with a key of its own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    ).decode()
    return {"type": "service_account", "client_email": "a@acme.example", "private_key": pem}


class TestGcp(ProviderContract):
    strict = True
    contract = 1

    @pytest.fixture(autouse=True)
    def source(self, tmp_path, monkeypatch, account):
        with ThreadingHTTPServer(("127.0.0.1", 0), Google) as self.google:
            self.google.keys, self.google.status, self.google.reads = {}, 0, 0
            threading.Thread(target=self.google.serve_forever, args=[0.01], daemon=True).start()
            self.url = f"http://127.0.0.1:{self.google.server_port}"
            file = tmp_path / "account.json"
            file.write_text(json.dumps({**account, "token_uri": f"{self.url}/token"}))
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
            monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme")
            yield
            self.google.shutdown()

    def make(self):
        return GcpProvider(PLACE, endpoint=self.url)

    def put(self, key):
        self.google.keys[PLACE] = key

    def remove(self):
        del self.google.keys[PLACE]

    def break_source(self):
        self.google.status = 503

    def restore(self):
        self.google.status = 0

    def deny(self):
        self.google.status = 403

    def reads(self):
        return self.google.reads

    def settings(self):
        return Settings(plugins={"gcp": {"secret": PLACE, "endpoint": self.url}})

    def second_settings(self, key):
        self.google.keys["projects/acme/secrets/second"] = key
        own = {"secret": "projects/acme/secrets/second", "endpoint": self.url}
        return Settings(plugins={"gcp": own})

    def make_second(self, key):
        return GcpProvider.from_settings(self.second_settings(key))

    def secrets(self):
        return ["ya29.of-the-test"]

    def test_the_version_is_the_one_that_latest_stands_for(self):
        self.put("vs-1")
        assert self.make().get_credential().version == "7"


def test_what_is_no_name_of_a_secret_is_a_wrong_setting():
    chain = ProviderChain.from_settings(
        Settings(providers=("gcp",), plugins={"gcp": {"secret": "vectorshift"}})
    )
    with pytest.raises(CredentialConfigurationError, match="VECTORSHIFT_GCP_SECRET: "):
        chain.get_credential()
