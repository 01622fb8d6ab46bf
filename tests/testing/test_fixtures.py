"""The pytest fixtures, as a user's own suite has them: in a pytest of its own."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from tests.cli.program import environment
from tests.forked import ran
from tests.interpreter import printed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENABLED = 'pytest_plugins = ["vectorshift.testing.fixtures"]\n'
HEAD = """
    import asyncio, os
    import pytest
    import vectorshift
    from vectorshift import *
    from vectorshift import (
        ApiConnectionError, MissingCredentialError, Pipeline, VectorShift, VectorshiftApiError
    )
    WORDS = "vectorshift_offline: no network; use the vectorshift_api fixture or pass a client"
"""


@pytest.fixture
def suite(tmp_path: Path) -> Callable[..., str]:
    """Run a suite in a folder of its own, with a key and stores in its environment; return what
    pytest says.
    """

    def run(tests: str, conftest: str = ENABLED, *options: str, fresh: bool = False) -> str:
        (tmp_path / "conftest.py").write_text(conftest)
        (tmp_path / "test_service.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(tests))
        (tmp_path / "key").write_text("vs-of-the-machine-key-file")
        (tmp_path / ".env").write_text("VECTORSHIFT_API_KEY=vs-of-the-machine-dotenv\n")
        machine = {
            "VECTORSHIFT_API_KEY_FILE": "key",
            "VECTORSHIFT_VAULT_PATH": "vs",
            "VAULT_ADDR": "http://127.0.0.1:9",
            "AWS_PROFILE": "of-the-machine",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "CREDENTIALS_DIRECTORY": "/run/credentials/of-the-machine",
        }
        always = ("-q", "-W", "error", "-p", "no:cacheprovider")
        said = ran("pytest", (*always, *options), environment(**machine), fresh=fresh)
        return said.stdout + said.stderr

    return run


def test_offline_a_call_fails_at_once_and_says_why(suite: Callable[..., str]) -> None:
    assert "9 passed" in suite("""
        pytestmark = pytest.mark.usefixtures("vectorshift_offline")

        def test_without_a_key():
            with pytest.raises(MissingCredentialError, match=WORDS):
                Pipeline.list()
            assert vectorshift.api_key is None

        def test_with_a_key(monkeypatch):
            monkeypatch.setattr(vectorshift, "api_key", "vs-test")
            assert vectorshift.api_key == "vs-test"
            with pytest.raises(ApiConnectionError, match=WORDS):
                Pipeline.list()

        def test_with_the_variable(monkeypatch):
            monkeypatch.setenv("VECTORSHIFT_API_KEY", "vs-test")
            assert vectorshift.get_credential().source == "env:VECTORSHIFT_API_KEY"
            with pytest.raises(ApiConnectionError, match=WORDS):
                Pipeline.list()

        def test_async():
            async def main():
                with vectorshift.using("vs-tenant"):
                    await Pipeline.alist()
            with pytest.raises(ApiConnectionError, match=WORDS):
                asyncio.run(main())

        def test_a_client_of_the_services_own():
            with VectorShift("vs-test") as client, pytest.raises(ApiConnectionError, match=WORDS):
                Pipeline.list(client=client)

        def test_a_service_that_resets():
            vectorshift.reset()
            vectorshift.api_key = "vs-test"
            with pytest.raises(ApiConnectionError, match=WORDS):
                Pipeline.list()

        def test_a_service_that_resets_and_names_a_store(monkeypatch):
            vectorshift.reset()
            monkeypatch.setenv("VECTORSHIFT_VAULT_PATH", "of-the-service")
            with pytest.raises(MissingCredentialError) as caught:
                vectorshift.get_credential()
            asked = [each.provider for each in caught.value.attempts]
            assert asked == ["explicit", "env", "offline"]

        def test_a_client_with_an_httpx_client_of_the_services_own():
            import httpx
            with httpx.Client() as http, VectorShift("vs-test", http_client=http) as client:
                with pytest.raises(VectorshiftApiError, match=WORDS):
                    Pipeline.list(client=client)

        def test_a_client_that_is_handed_in():
            import httpx
            success = {"status": "success", "object_ids": []}
            answers = httpx.MockTransport(lambda request: httpx.Response(200, json=success))
            http = httpx.Client(transport=answers)
            with http, VectorShift("vs-test", http_client=http) as client:
                assert Pipeline.list(client=client) == []
        """)


def test_offline_no_settings_lead_to_the_api(suite: Callable[..., str]) -> None:
    """A guard behind it, so that a failure reaches nothing either: no name can be looked up."""
    assert "8 passed" in suite("""
        import socket
        pytestmark = pytest.mark.usefixtures("vectorshift_offline")
        API = "https://api.vectorshift.ai/v1"
        PRIVATE = "http://10.255.255.1/v1"

        @pytest.fixture(autouse=True)
        def no_names(monkeypatch):
            def refuse(*args):
                raise AssertionError("a name is looked up")
            monkeypatch.setattr(socket, "getaddrinfo", refuse)

        OTHERS = [{"settings": Settings(timeout=5)}, {"base_url": API}, {"base_url": PRIVATE}]

        @pytest.mark.parametrize("given", OTHERS)
        def test_a_client(given, monkeypatch):
            monkeypatch.setenv("VECTORSHIFT_ALLOW_HTTP", "1")
            refused = pytest.raises(ApiConnectionError, match=WORDS)
            with VectorShift("vs-test", **given) as client, refused as caught:
                Pipeline.list(client=client)
            assert "after" not in str(caught.value)  # so many attempts

        @pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"])
        def test_a_proxy_of_the_machine(proxy, monkeypatch):
            monkeypatch.setenv(proxy, "*" if proxy == "NO_PROXY" else "http://proxy.internal:3128")
            refused = pytest.raises(ApiConnectionError, match=WORDS)
            with VectorShift("vs-test", base_url=API) as client, refused:
                Pipeline.list(client=client)

        def test_ambient():
            vectorshift.configure(settings=Settings(timeout=5), credentials="vs-test")
            with pytest.raises(ApiConnectionError, match=WORDS):
                Pipeline.list()

        def test_async():
            async def main():
                async with AsyncVectorShift("vs-test", settings=Settings(timeout=5)) as client:
                    await Pipeline.alist(client=client)
            with pytest.raises(ApiConnectionError, match=WORDS):
                asyncio.run(main())
        """)


def test_offline_a_server_of_the_tests_own_is_reached(suite: Callable[..., str]) -> None:
    assert "2 passed" in suite("""
        from vectorshift.testing import FakeVectorShift

        @pytest.fixture
        def api(vectorshift_offline):
            with FakeVectorShift() as api:
                yield api

        def test_sync(api):
            with VectorShift(api.create_key(), base_url=api.base_url) as client:
                assert Pipeline.list(client=client).raw["status"] == "success"

        def test_async(api):
            async def main():
                async with AsyncVectorShift(api.create_key(), base_url=api.base_url) as client:
                    return await Pipeline.alist(client=client)
            assert len(asyncio.run(main())) == 2
        """)


def test_after_an_offline_test_the_network_is_there_again(suite: Callable[..., str]) -> None:
    assert "2 passed" in suite("""
        from vectorshift.transport import http

        def test_offline(vectorshift_offline):
            assert http.substitute is not None

        def test_another():
            assert http.substitute is None
        """)


def test_the_stand_in_is_fresh_and_configured_for_each_test(suite: Callable[..., str]) -> None:
    assert "4 passed" in suite("""
        @pytest.mark.parametrize("turn", [1, 2])
        def test_a_call(vectorshift_api, turn):
            assert Pipeline.list().raw["status"] == "success"
            assert asyncio.run(Pipeline.alist()).raw["status"] == "success"
            assert [request.org for request in vectorshift_api.requests] == ["acme", "acme"]
            assert vectorshift.get_credential().source == "env:VECTORSHIFT_API_KEY"

        def test_that_no_file_and_no_store_of_the_machine_is_asked(vectorshift_api, monkeypatch):
            monkeypatch.delenv("VECTORSHIFT_API_KEY")
            with pytest.raises(MissingCredentialError):
                Pipeline.list()

        def test_a_failure(vectorshift_api):
            vectorshift_api.fail_next(429, headers={"Retry-After": "0"}, times=9)
            with pytest.raises(RateLimitError):
                Pipeline.list()
        """)


@pytest.mark.parametrize(
    "order", ["vectorshift_api, vectorshift_offline", "vectorshift_offline, vectorshift_api"]
)
def test_the_stand_in_wins_where_both_are_asked_for(suite: Callable[..., str], order: str) -> None:
    assert "1 passed" in suite(f"""
        def test_a_call({order}):
            Pipeline.list()
    """)


def test_offline_may_be_on_for_all_tests(suite: Callable[..., str]) -> None:
    conftest = ENABLED + textwrap.dedent("""
        import pytest

        @pytest.fixture(autouse=True)
        def _offline(vectorshift_offline):
            pass
    """)
    assert "2 passed" in suite(
        """
        def test_a_call(vectorshift_api):
            Pipeline.list()

        def test_another():
            with pytest.raises(MissingCredentialError, match=WORDS):
                Pipeline.list()
        """,
        conftest,
    )


@pytest.mark.parametrize("fixture", ["vectorshift_api", "vectorshift_offline"])
def test_what_a_test_leaves_behind_is_gone_and_what_was_there_is_back(
    suite: Callable[..., str], fixture: str
) -> None:
    assert "3 passed" in suite(f"""
        vectorshift.api_key = "vs-of-the-suite"
        before = dict(os.environ)

        def test_one({fixture}):
            assert vectorshift.api_key != "vs-of-the-suite"
            vectorshift.api_key = "vs-left-behind"
            vectorshift.using("vs-left-behind").__enter__()
            vectorshift.configure(settings=Settings(base_url="https://left.example.com"))

        def test_two({fixture}):
            assert vectorshift.api_key != "vs-left-behind"
            assert VectorShift().base_url.startswith("http://127.0.0.1:")

        def test_three():
            assert {{k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"}} == \\
                   {{k: v for k, v in before.items() if k != "PYTEST_CURRENT_TEST"}}
            assert vectorshift.api_key == "vs-of-the-suite"
            assert VectorShift("x").base_url == "https://api.vectorshift.ai/v1"
    """)


def test_they_are_enabled_by_name_and_not_by_being_installed(suite: Callable[..., str]) -> None:
    test = "def test_a_call(vectorshift_api): Pipeline.list()"
    assert "fixture 'vectorshift_api' not found" in suite(test, "")
    assert "1 passed" in suite(test, "", "-p", "vectorshift.testing.fixtures")


def test_offline_needs_no_server_package(suite: Callable[..., str]) -> None:
    tests = """
        import sys

        def test_a_call(vectorshift_offline):
            assert "starlette" not in sys.modules
            assert "uvicorn" not in sys.modules
        """
    assert "1 passed" in suite(tests, fresh=True)


WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = None
import vectorshift.testing
vectorshift.testing.ManualClock, vectorshift.testing.MemoryStore
try:
    {does}
except ImportError as error:
    print(error)
"""


@pytest.mark.parametrize(
    "does", ["vectorshift.testing.ProviderContract", "import vectorshift.testing.fixtures"]
)
def test_without_pytest_what_needs_it_says_so_and_the_rest_works(does: str) -> None:
    assert printed(WITHOUT_PYTEST.format(does=does)).endswith("needs pytest: pip install pytest\n")


def test_importing_the_testing_package_imports_no_pytest() -> None:
    code = (
        "import sys, vectorshift.testing; vectorshift.testing.MemoryStore; print('pytest' in"
        " sys.modules)"
    )
    assert printed(code) == "False\n"


# --- What was there around the test
# -----------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["vectorshift_api", "vectorshift_offline"])
def test_what_the_suite_configured_is_in_force_again_after_the_test(
    suite: Callable[..., str], fixture: str
) -> None:
    assert "3 passed" in suite(f"""
        from vectorshift.testing import MemoryStore
        ours = ProviderChain([MemoryStore("vs-of-the-suite").provider()])
        client = VectorShift(credentials=ours, base_url="https://suite.example.com/v1")

        @pytest.fixture(scope="session", autouse=True)
        def mine():
            os.environ["VECTORSHIFT_API_KEY"] = "vs-of-the-machine"
            vectorshift.configure(credentials=ours, client=client, settings=Settings(timeout=7))
            yield
            client.close()

        def test_one():
            assert vectorshift.get_credential().secret.reveal() == "vs-of-the-suite"

        def test_two({fixture}):
            assert vectorshift.api_key != "vs-of-the-suite"
            vectorshift.configure(credentials="vs-of-the-test")

        def test_three():
            from vectorshift.client import default
            from vectorshift.scope import current
            assert vectorshift.get_credential().secret.reveal() == "vs-of-the-suite"
            assert default.sync_client() is client
            assert current.DEFAULT_SCOPE.settings.timeout == 7
    """)


@pytest.mark.parametrize("fixture", ["vectorshift_api", "vectorshift_offline"])
def test_a_using_block_around_the_test_is_in_force_again_and_ends_in_peace(
    suite: Callable[..., str], fixture: str
) -> None:
    said = suite(f"""
        @pytest.fixture(scope="module", autouse=True)
        def mine():
            with vectorshift.using("vs-of-the-block"):
                yield

        def test_one({fixture}):
            assert vectorshift.api_key != "vs-of-the-block"

        def test_two():
            assert vectorshift.api_key == "vs-of-the-block"
    """)
    assert "2 passed" in said
    assert "error" not in said


def test_offline_no_store_file_or_plugin_is_asked_that_settings_name(
    suite: Callable[..., str],
) -> None:
    assert "8 passed" in suite("""
        import socket
        pytestmark = pytest.mark.usefixtures("vectorshift_offline")
        ADDR = "https://vault.invalid:8200"
        VAULT = {"vault_path": "x", "vault_addr": ADDR, "vault_token": "t0kentoken"}
        AWS = {"aws_secret_id": "x", "aws_region": "eu-west-1"}
        DOTENV = {"providers": ("default",)}
        PLUGIN = {"providers": ("env", "shelf")}

        @pytest.fixture(autouse=True)
        def no_names(monkeypatch):
            def refuse(*args):
                raise AssertionError("a name is looked up")
            monkeypatch.setattr(socket, "getaddrinfo", refuse)

        @pytest.mark.parametrize("given", [VAULT, AWS, DOTENV])
        def test_a_client(given):
            with VectorShift(settings=Settings(**given)) as client:
                with pytest.raises(MissingCredentialError, match=WORDS):
                    Pipeline.list(client=client)

        @pytest.mark.parametrize("given", [VAULT, AWS, DOTENV])
        def test_ambient(given):
            vectorshift.reset()
            vectorshift.configure(settings=Settings(**given))
            with pytest.raises(MissingCredentialError, match=WORDS):
                Pipeline.list()
            vectorshift.api_key = "vs-test"
            assert vectorshift.get_credential().source == "explicit:api_key"

        def test_a_name_that_there_is_not_is_told_as_ever():
            with pytest.raises(CredentialConfigurationError, match="shelf"):
                ProviderChain.from_settings(Settings(**PLUGIN))

        def test_a_provider_that_is_handed_in_is_asked():
            from vectorshift.testing import MemoryStore
            vectorshift.configure(credentials=MemoryStore("vs-in-memory").provider())
            assert vectorshift.get_credential().secret.reveal() == "vs-in-memory"
        """)
