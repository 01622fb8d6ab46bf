"""Which requests go through a proxy of the environment, by the words of NO_PROXY."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import httpx2
import pytest
import requests
from tests.faults import FaultServer, answer

from vectorshift import (
    ApiConnectionError,
    AsyncVectorShift,
    CredentialConfigurationError,
    Settings,
    VectorShift,
)
from vectorshift.transport.proxies import is_direct

if TYPE_CHECKING:
    from collections.abc import Callable

FAST = Settings(allow_http=True, max_retries=0)
HOST = "api.corp.example"
EXCLUDED = [
    ("*", f"https://{HOST}"),
    (HOST, f"https://{HOST}"),
    (HOST.upper(), f"https://{HOST}"),
    (".corp.example", f"https://{HOST}"),
    (".corp.example", "https://corp.example"),
    ("*.corp.example", f"https://{HOST}"),
    ("corp.example", f"https://{HOST}:8443"),
    ("other.example, corp.example", f"https://{HOST}"),
    ("other.example corp.example", f"https://{HOST}"),
    (f"{HOST}:8443", f"https://{HOST}:8443"),
    (f"{HOST}:443", f"https://{HOST}"),
    (f"https://{HOST}", f"https://{HOST}"),
    (f"all://{HOST}", f"https://{HOST}"),
    ("10.1.2.3", "https://10.1.2.3"),
    ("10.1.2.3:8443", "https://10.1.2.3:8443"),
    ("10.0.0.0/8", "https://10.1.2.3"),
    ("10.1.2.3/8", "https://10.1.2.3"),
    ("10.0.0.0/8", "https://[::ffff:10.1.2.3]"),
    ("fd07:b51a:cc66:f0::/64", "https://[fd07:b51a:cc66:f0::2]"),
    ("fd00::2", "https://[fd00::2]"),
    ("[fd00::2]", "https://[fd00:0::2]"),
    ("[fd00::2]:8443", "https://[fd00::2]:8443"),
    ("[fd00::]/8", "https://[fd00::2]"),
    ("a:notaport,[::1,fe80::/999,10.0.0.0/8", "https://10.1.2.3"),
]
NOT_EXCLUDED = [
    ("", f"https://{HOST}"),
    (",, ,.,*.", f"https://{HOST}"),
    ("example.corp", f"https://{HOST}"),
    ("orp.example", f"https://{HOST}"),
    (f"{HOST}:8443", f"https://{HOST}"),
    (f"http://{HOST}", f"https://{HOST}"),
    ("10.0.0.0/8", "https://11.1.2.3"),
    ("0.0.0.0/0", f"https://{HOST}"),
    ("2.3", "https://10.1.2.3"),
    ("fd00::/8", "https://[fe80::2]"),
    ("[::1", f"https://{HOST}"),
    ("api.corp.example:notaport", f"https://{HOST}"),
]


def direct(no_proxy: str, url: str) -> bool:
    parsed = httpx2.URL(url)
    return is_direct(no_proxy, parsed.scheme, parsed.host, parsed.port)


@pytest.mark.parametrize(("no_proxy", "url"), EXCLUDED)
def test_what_no_proxy_excludes_reaches_no_proxy(no_proxy: str, url: str) -> None:
    assert direct(no_proxy, url)


@pytest.mark.parametrize(("no_proxy", "url"), NOT_EXCLUDED)
def test_what_no_proxy_does_not_exclude_uses_the_proxy(no_proxy: str, url: str) -> None:
    assert not direct(no_proxy, url)


@pytest.mark.parametrize("url", [f"https://{HOST}", f"https://{HOST}:8443", "https://10.1.2.3"])
@pytest.mark.parametrize("no_proxy", [entry for entry, _ in EXCLUDED])
def test_what_requests_excludes_is_excluded(no_proxy: str, url: str) -> None:
    if requests.utils.should_bypass_proxies(url, no_proxy):
        assert direct(no_proxy, url)


@pytest.mark.parametrize("entry", [":" * 30_000 + "[", "a:" * 15_000 + "]", "[" + ":" * 30_000])
def test_an_entry_of_many_colons_costs_linear_time(entry: str) -> None:
    began = time.process_time()
    assert not is_direct(entry, "https", "10.1.2.3", 443)
    assert time.process_time() - began < 1


def call_sync(base_url: str) -> object:
    with VectorShift("vs-key", base_url=base_url, settings=FAST) as client:
        return client.request("GET", "/x")


def call_async(base_url: str) -> object:
    async def call() -> object:
        async with AsyncVectorShift("vs-key", base_url=base_url, settings=FAST) as client:
            return await client.request("GET", "/x")

    return asyncio.run(call())


@pytest.mark.parametrize("call", [call_sync, call_async])
@pytest.mark.parametrize(
    ("no_proxy", "way"),
    [
        ("127.0.0.0/8", "direct"),
        ("127.0.0.2", "direct"),
        ("fe80::/10", "proxy"),
        ("localhost,[::1]", "proxy"),
        ("a:notaport", "proxy"),
        ("127.0.0.3", "proxy"),
    ],
)
def test_a_call_goes_the_way_that_the_environment_says(
    call: Callable[[str], object], monkeypatch: pytest.MonkeyPatch, no_proxy: str, way: str
) -> None:
    with FaultServer(answer()) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.origin)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        with contextlib.suppress(ApiConnectionError):  # nothing listens at this address
            call("http://127.0.0.2:9/v1")
    assert way == ("proxy" if proxy.received else "direct")


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_variable_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "htp://user:s3cret@proxy:3128")
    with pytest.raises(CredentialConfigurationError, match=f"variable {name} ") as caught:
        call_sync("https://api.example.test")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", ["httpcore", "h11"])
def test_a_package_that_is_missing_is_told_as_what_it_is(name: str) -> None:
    code = f"""
import sys
sys.modules[{name!r}] = None
from vectorshift import VectorShift
VectorShift("vs-k", base_url="http://127.0.0.1:9/v1", max_retries=0).request("GET", "/x")
"""
    environment = {**os.environ, "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert f"import of {name} halted" in done.stderr
    assert "SOCKS" not in done.stderr
