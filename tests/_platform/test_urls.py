from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from vectorshift._platform.urls import api_url, is_loopback, origin, wrong_api
from vectorshift.transport.http import httpx, origin_of


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"])
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "10.0.0.1",
        "0.0.0.0",
        "localhost.example",
        "127.0.0.1.example",
        "api.vectorshift.ai",
        "::2",
    ],
)
def test_another_machine_is_not(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url",
    [
        "https://a b/v1",
        "https://h/v1\tq",
        "https://h/v 1",
        "https://h\n.example/v1",
        "https://x..y/v1",
        "https://.x/v1",
        "https://" + "a" * 64 + "/v1",
        "https://%zz/v1",
        "https://a<b/v1",
        "https://a\\b/v1",
        "https://999.1.1.1/v1",
        "https://[zz]/v1",
        "https://h/v1?",
        "https://h/v1#",
        "https:///v1",
        "https://h/" + "a" * 3000,
    ],
)
def test_a_url_that_no_call_could_use_is_none_of_the_api(url: str) -> None:
    with pytest.raises(ValueError, match="should be a URL such as"):
        api_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.vectorshift.ai/v1",
        "http://127.0.0.1:8000/v1",
        "http://[::1]:8000",
        "https://vectorshift_api:8443/v1",
        "https://api.internal./v1",
        "HTTPS://API.EXAMPLE/v1",
        "https://xn--bcher-kva.example/%7Ea/v1",
    ],
)
def test_a_url_is_taken_as_it_is_but_for_white_space_and_the_slash_at_its_end(url: str) -> None:
    assert api_url(f" {url}/\n") == url


@given(st.text('ab.-_%[]:1290/\\?#@ \t\né<"', max_size=20))
def test_httpx_can_use_whatever_is_taken(rest: str) -> None:
    try:
        url = api_url(f"https://{rest}")
    except ValueError:
        return
    parsed = httpx.URL(f"{url}/pipelines")
    assert parsed.path.endswith("/pipelines")
    assert parsed.host.encode("idna") or ":" in parsed.host


@pytest.mark.parametrize(
    ("url", "bound_to"),
    [
        ("https://api.vectorshift.ai/v1", "https://api.vectorshift.ai"),
        ("HTTPS://API.example:443/v1", "https://api.example"),
        ("https://api.example:8443", "https://api.example:8443"),
        ("http://127.0.0.1:80/v1", "http://127.0.0.1"),
        ("https://api.example:80", "https://api.example:80"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
    ],
)
def test_an_origin_is_scheme_host_and_port_and_stays_itself(url: str, bound_to: str) -> None:
    assert origin(url) == bound_to
    assert origin(bound_to) == bound_to
    assert origin_of(httpx.URL(url)) == origin_of(httpx.URL(bound_to))
    assert wrong_api("mine:x", url, bound_to) == ""


@pytest.mark.parametrize(
    "other", ["http://api.example/v1", "https://api.example:8443", "https://x.api.example"]
)
def test_another_scheme_port_or_host_is_another_api(other: str) -> None:
    assert "is for https://api.example, and" in wrong_api("mine:x", "https://api.example", other)
    assert wrong_api("mine:x", None, other) == ""
