"""What exceptions of the libraries of stores mean, with and without an author's word."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import botocore.exceptions as aws
import httpx
import pytest
import requests
import urllib3

from vectorshift import (
    Credential,
    CredentialConfigurationError as Configuration,
    CredentialDeniedError as Denied,
    CredentialNotFoundError as NotFound,
    CredentialProvider,
    CredentialStoreUnavailableError as Unavailable,
    ProviderChain,
)
from vectorshift.errors.libraries import error_for_exception
from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Callable

HIDDEN = "vs-Xq7fL0nevertobeseen"


def of(library: str, name: str, **attributes: Any) -> Exception:
    """Return an exception as a library that is not installed here would name it."""
    made: Exception = type(name, (Exception,), {"__module__": library})(HIDDEN)
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made


def answered(status: int, **headers: str) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "https://store")
    response = httpx.Response(status, headers=headers, text=HIDDEN, request=request)
    return httpx.HTTPStatusError(HIDDEN, request=request, response=response)


def client_error(status: int, code: str) -> aws.ClientError:
    about = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return aws.ClientError(about, "GetParameter")


def of_requests(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(HIDDEN, response=response)


class Code:
    def __init__(self, name: str) -> None:
        self.name = name


def grpc_error(code: str) -> Exception:
    return of("grpc", "RpcError", code=lambda: Code(code))


MEANINGS: list[tuple[Exception, type[Exception] | None, bool]] = [
    # what is raised, what it means to an author who asks, and whether it is unavailable by itself
    (httpx.ConnectError(HIDDEN), Unavailable, True),
    (httpx.ReadTimeout(HIDDEN), Unavailable, True),
    (httpx.UnsupportedProtocol(HIDDEN), Configuration, False),
    (httpx.InvalidURL(HIDDEN), Configuration, False),
    (answered(404), NotFound, False),
    (answered(403), Denied, False),
    (answered(503), Unavailable, True),
    (answered(429), Unavailable, True),
    (requests.ConnectTimeout(HIDDEN), Unavailable, True),
    (requests.ConnectionError(HIDDEN), Unavailable, True),
    (requests.exceptions.InvalidSchema(HIDDEN), Configuration, False),
    (of_requests(401), Denied, True),  # an OSError, as all of requests are
    (urllib3.exceptions.ProtocolError(HIDDEN), Unavailable, True),
    (aws.EndpointConnectionError(endpoint_url=HIDDEN), Unavailable, True),
    (aws.ReadTimeoutError(endpoint_url=HIDDEN), Unavailable, True),
    (aws.NoCredentialsError(), Configuration, False),
    (aws.ProfileNotFound(profile=HIDDEN), Configuration, False),
    (client_error(400, "AccessDeniedException"), Denied, False),
    (client_error(400, "ResourceNotFoundException"), NotFound, False),
    (client_error(400, "ParameterNotFound"), NotFound, False),
    (client_error(400, "ThrottlingException"), Unavailable, True),
    (client_error(400, "ExpiredTokenException"), Denied, False),
    (client_error(400, "ValidationException"), Configuration, False),
    (client_error(500, "InternalFailure"), Unavailable, True),
    (grpc_error("UNAVAILABLE"), Unavailable, True),
    (grpc_error("DEADLINE_EXCEEDED"), Unavailable, True),
    (grpc_error("PERMISSION_DENIED"), Denied, False),
    (grpc_error("NOT_FOUND"), NotFound, False),
    (grpc_error("INVALID_ARGUMENT"), Configuration, False),
    (of("google.api_core.exceptions", "NotFound", code=404), NotFound, False),
    (of("google.auth.exceptions", "TransportError"), Unavailable, True),
    (of("google.auth.exceptions", "RefreshError", retryable=False), Denied, False),
    (of("google.auth.exceptions", "RefreshError", retryable=True), Unavailable, False),
    (of("google.auth.exceptions", "DefaultCredentialsError"), Configuration, False),
    (of("azure.core.exceptions", "ServiceRequestError"), Unavailable, True),
    (of("azure.core.exceptions", "ClientAuthenticationError"), Denied, False),
    (of("aiohttp.client_exceptions", "ClientConnectionError"), Unavailable, True),
    (of("aiohttp.client_exceptions", "ClientResponseError", status=404), NotFound, False),
    (subprocess.TimeoutExpired("op", 5), Unavailable, True),
    (subprocess.CalledProcessError(1, "op", output=HIDDEN), Unavailable, False),
    (TimeoutError(HIDDEN), Unavailable, True),
    (asyncio.TimeoutError(HIDDEN), Unavailable, True),
    (socket.gaierror(HIDDEN), Unavailable, True),
    (ValueError(HIDDEN), None, False),
    (KeyError(HIDDEN), None, False),
]
NAMES = [f"{type(each).__module__}.{type(each).__name__}" for each, _, _ in MEANINGS]


@pytest.mark.parametrize(("error", "kind", "_"), MEANINGS, ids=NAMES)
def test_an_exception_of_a_library_means_one_kind_of_failure(
    error: Exception, kind: type[Exception] | None, _: bool
) -> None:
    failure = error_for_exception(error, source="shelf:key", provider="shelf")
    if kind is None:
        assert failure is None
        return
    assert type(failure) is kind
    assert failure is not None
    assert (failure.source, failure.provider) == ("shelf:key", "shelf")
    assert failure.message.startswith("shelf:key ")
    assert HIDDEN not in f"{failure!r} {failure} {vars(failure)}"


class Raises(CredentialProvider):
    name = "shelf"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_credential(self) -> Credential:
        raise self.error


@pytest.mark.parametrize(("error", "_", "is_unavailable"), MEANINGS, ids=NAMES)
def test_what_an_author_lets_pass_is_unavailable_if_the_store_was_not_reached(
    error: Exception, _: object, is_unavailable: bool, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(Unavailable if is_unavailable else Configuration) as caught:
        ProviderChain([Raises(error)]).get_credential()
    assert HIDDEN not in shown(caught.value)


def test_the_pause_that_a_store_asks_for_is_kept() -> None:
    failure = error_for_exception(answered(429, **{"Retry-After": "7"}), source="s")
    assert isinstance(failure, Unavailable)
    assert failure.retry_after == 7


def test_an_untrusted_certificate_is_a_configuration_error() -> None:
    error = httpx.ConnectError(HIDDEN)
    error.__cause__ = ssl.SSLCertVerificationError(HIDDEN)
    failure = error_for_exception(error, source="s")
    assert isinstance(failure, Configuration)
    assert "certificate" in failure.message


def test_a_real_server_that_is_away_and_one_that_refuses() -> None:
    with FakeVectorShift() as api:
        api.fail_next(403)
        url = f"{api.base_url}/pipelines"
        with pytest.raises(httpx.HTTPStatusError) as refused:
            httpx.get(url).raise_for_status()
    with pytest.raises(httpx.TransportError) as away:
        httpx.get(url)
    assert isinstance(error_for_exception(refused.value, source="s"), Denied)
    assert isinstance(error_for_exception(away.value, source="s"), Unavailable)
