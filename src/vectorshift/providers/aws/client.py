"""Read a secret or a parameter with boto3. A process keeps one client."""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from dataclasses import replace
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from vectorshift._platform.forks import renew_after_fork
from vectorshift._platform.frames import raise_callers_own
from vectorshift._platform.urls import is_loopback
from vectorshift.credentials.events import log_safely
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialError,
    CredentialNotFoundError,
    CredentialStoreUnavailableError,
)
from vectorshift.providers.aws.errors import (
    SecretLocation,
    missing_credentials,
    outcome,
    patched_late,
    unreadable,
)
from vectorshift.providers.aws.locators import PAUSES, flaw_of_region, region_in
from vectorshift.providers.aws.logs import quiet_botocore
from vectorshift.providers.aws.session import (
    LoginError,
    ask_nobody,
    bound_answers,
    checked,
    credentials_of,
    detach_processes,
    new_session,
    read_config,
)
from vectorshift.providers.aws.value import credential_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vectorshift.credentials.resolving import Result
    from vectorshift.providers.aws.arguments import AwsArguments

__all__ = ["BotoReader", "known_region"]

_NOT_A_URL: Final = (
    "the endpoint is not a URL. Set VECTORSHIFT_AWS_ENDPOINT_URL (or {variable}) to an https:// "
    "URL with a host."
)
_PLAIN_HTTP: Final = (
    "plain HTTP would show the key and the AWS session token to the network. "
    "VECTORSHIFT_ALLOW_HTTP does not allow it here. Use https:// in VECTORSHIFT_AWS_ENDPOINT_URL "
    "(or {variable}, AWS_ENDPOINT_URL, endpoint_url of the AWS profile). For a stand-in in a "
    "closed network, pass your own client: AwsSecretsManagerProvider(..., client=...)."
)
_QUICK: Final = 0.9
"""A search for AWS credentials that fails within these seconds may soon be repeated."""


def known_region(setting: str | None, locator: str, environ: Mapping[str, str]) -> str | None:
    """Return the region of the setting, the ARN or the environment. Does not read AWS's files."""
    return setting or region_in(locator) or _region_of(environ)


def _unused(given: AwsArguments, environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return pairs of a variable that counts and one beside it that does not, where that may be
    another identity or region.
    """
    pairs = [("AWS_ACCESS_KEY_ID", "AWS_PROFILE"), ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")]
    pairs = [] if given.profile else pairs
    if not (given.region or region_in(given.locator)):
        pairs.append(("AWS_DEFAULT_REGION", "AWS_REGION"))
    values = ((used, other, environ.get(used), environ.get(other)) for used, other in pairs)
    return [(used, other) for used, other, one, two in values if one and two and one != two]


def _region_of(environ: Mapping[str, str]) -> str | None:
    """Return the region of the process. botocore ignores `AWS_REGION`, which Lambda and ECS set."""
    return environ.get("AWS_DEFAULT_REGION") or environ.get("AWS_REGION") or None


class BotoReader:
    """Reads a secret or a parameter with a boto3 client, created at first use. Thread-safe; a
    forked child creates its own client.

    Args:
        arguments: those of the provider.
    """

    def __init__(self, arguments: AwsArguments) -> None:
        self._arguments = arguments
        self._region: str | None = None
        self._process: int | None = None
        self._warned = False
        self._after_fork()
        renew_after_fork(self)

    def _after_fork(self) -> None:
        self._lock = threading.Lock()  # never held while contacting a server
        self._login_lock = threading.Lock()
        self._session: Any = None
        self._client: Any = None

    @property
    def region(self) -> str | None:
        """The region to ask, as far as known without boto3."""
        given = self._arguments
        if given.client is not None:
            region = getattr(getattr(given.client, "meta", None), "region_name", None)
            return region if isinstance(region, str) else None  # a mock has any attribute
        return self._region or self._known_region() or getattr(given.session, "region_name", None)

    def read(self, deadline: float | None) -> Result:
        """Return the credential or the error. Raises unknown exceptions.

        Args:
            deadline: until when the caller waits, in seconds of `time.monotonic`, or None.
        """
        given = self._arguments
        response = self.call(given.store.method, given.query, deadline=deadline)
        if isinstance(response, CredentialError):
            return response
        if not response.keys() - {"ResponseMetadata"}:  # it was cut off within its headers
            return given.unavailable(
                "the answer is empty: it was cut off, or what answers at the endpoint is not AWS."
            )
        return credential_in(response, given)

    def call(
        self,
        method: str,
        query: Mapping[str, Any],
        action: str = "",
        *,
        deadline: float | None = None,
    ) -> dict[str, Any] | CredentialError:
        """Call a method of the client, without botocore's DEBUG records.

        Args:
            method: the name of the method.
            query: its arguments.
            action: AWS's name for the method; the read by default.
            deadline: until when the caller waits, in seconds of `time.monotonic`, or None.
        """
        given = self._arguments
        with quiet_botocore(deadline):
            client = self.client() if given.client is None else self._callers_client()
            if isinstance(client, CredentialError):
                return client
            try:
                ask_nobody(credentials_of(client))
                response: object = getattr(client, method)(**query)
            except Exception as error:
                return self._failed(error, action=action)
        if isinstance(response, dict):
            return cast("dict[str, Any]", response)
        if iscoroutine(response):
            response.close()
        return given.wrong(
            f"the client gave a {type(response).__name__} in place of an answer. It must be one of"
            " boto3, not of aiobotocore."
        )

    def client(self) -> Any:
        """Return the client, with valid AWS credentials, or the error that names what is missing.

        The search for AWS credentials can take seconds; `close` and `forget` do not wait for it.
        The search and creating a client are not thread-safe; using a client is.
        """
        attempts: list[float] = []
        try:
            with self._lock:
                session = self._session or self._new_session()
                if isinstance(session, CredentialError):
                    return session
                self._session = session
            with self._login_lock:
                has_credentials = _log_in(session, attempts)
            if not has_credentials:
                self.forget()
                return missing_credentials(self.place)
            with self._lock:
                if self._client is not None and self._session is session:
                    return self._client
                made = self._new_client(session)
                # if the session was forgotten meanwhile, its AWS credentials are old
                if self._session is session and not isinstance(made, CredentialError):
                    self._client = made
                return made
        except Exception as error:
            self.forget()
            failure = self._failed(error, login=True)
            if isinstance(failure, CredentialStoreUnavailableError):
                was_quick = bool(attempts) and time.monotonic() - attempts[-1] < _QUICK
                failure.retry_after = 1.0 if was_quick else None
            return failure

    def _failed(
        self, error: Exception, *, login: bool = False, action: str = ""
    ) -> CredentialError:
        is_ours = isinstance(error, RecursionError) and unreadable(error)
        if not (is_ours or patched_late(error)):
            raise_callers_own(error)
        failure = outcome(error, replace(self.place, action=action), login=login)
        if not isinstance(failure, CredentialNotFoundError | CredentialStoreUnavailableError):
            self.forget()
        if failure is None:
            raise error
        return failure

    def forget(self) -> None:
        """Make the next read search AWS credentials again, and create a new client."""
        with self._lock:
            self._session = self._client = None

    def close(self) -> None:
        """Close the connections of the client, if there is one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    @property
    def place(self) -> SecretLocation:
        """The place to ask, as messages name it."""
        return SecretLocation(given=self._arguments, region=self.region)

    def _callers_client(self) -> Any:
        """Return the caller's client, or an error if a parent process has used it: on shared
        connections, the two would read each other's secrets.
        """
        client = self._arguments.client
        self._process = self._process or os.getpid()
        if self._process == os.getpid():
            return client
        return self._arguments.wrong(
            f"your boto3 client was used by another process, {self._process}, of which this one "
            "is a fork. They would share its connections and read each other's answers. Pass "
            "session=boto3.Session(), which makes a client for each process, or create the "
            "client in the child."
        )

    def _new_session(self) -> Any:
        """Return the session. Require a region: without one, botocore would wait for metadata."""
        given = self._arguments
        if flaw := self._flaw(given.endpoint_url or self._endpoint_of(os.environ) or ""):
            return given.wrong(flaw)
        known = self._known_region()
        session = given.session
        if session is None:
            try:
                # STS is asked in the region of the process, not that of the secret
                session = new_session(
                    profile=given.profile, region=_region_of(os.environ), fallback=known
                )
            except CredentialConfigurationError as error:
                return given.wrong(error.message)
            if not self._warned:
                self._warned = True
                for used, other in _unused(given, os.environ):
                    log_safely(logging.WARNING, "%s is not used: %s comes before it.", other, used)
        detach_processes(session)
        self._region = known or session.region_name or os.environ.get("AWS_REGION")
        if self._region:
            of = "the environment" if self._region == _region_of(os.environ) else "the AWS profile"
            of = "the session" if given.session else of
            flaw = flaw_of_region(self._region, f"the region of {of}")
            return given.wrong(flaw) if flaw else session
        return given.wrong(
            "no AWS region is set. Set VECTORSHIFT_AWS_REGION, such as eu-central-1, or name the "
            f"{given.store.thing} by its ARN."
        )

    def _known_region(self) -> str | None:
        given = self._arguments
        return known_region(given.region, given.locator, os.environ if not given.session else {})

    def _new_client(self, session: Any) -> Any:
        given = self._arguments
        url = given.endpoint_url or self._endpoint_of(os.environ) or ""
        # no proxy for a server on this machine
        config = read_config(direct=is_loopback(urlsplit(url).hostname or ""))
        client = session.client(
            given.store.service,
            config=config,
            region_name=self._region,
            endpoint_url=given.endpoint_url,
        )
        # AWS's own files may name an endpoint as well
        if flaw := self._flaw(client.meta.endpoint_url):
            client.close()
            return given.wrong(flaw)
        return bound_answers(client)

    def _endpoint_of(self, environ: Mapping[str, str]) -> str | None:
        """Return the endpoint that the environment names, as botocore reads it."""
        if environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
            return None
        return environ.get(self._arguments.store.endpoint) or environ.get("AWS_ENDPOINT_URL")

    def _flaw(self, endpoint_url: str) -> str | None:
        """Return why requests must not be sent to an endpoint, or None if they may."""
        if not endpoint_url:
            return None
        variable = self._arguments.store.endpoint
        try:
            parts = urlsplit(endpoint_url)
            host, scheme, _ = parts.hostname, parts.scheme, parts.port
        except ValueError:
            host = scheme = None
        # Libraries disagree about the host in such a URL.
        odd = re.search(r"[\\@\s]", endpoint_url)
        if odd or not host or scheme not in ("https", "http"):
            return _NOT_A_URL.format(variable=variable)
        safe = scheme == "https" or is_loopback(host)
        return None if safe else _PLAIN_HTTP.format(variable=variable)


def _log_in(session: Any, attempts: list[float]) -> bool:
    """Get AWS credentials, from STS, SSO or a metadata service if needed; return whether there are
    any.

    A service beside the process, such as the agent of EKS, may start later. It is asked again for
    up to 1.6 s.

    Args:
        session: a `boto3.Session`.
        attempts: the time at which each attempt begins is appended here.
    """
    end = time.monotonic() + sum(PAUSES)
    for pause in PAUSES:
        attempts.append(time.monotonic())
        try:
            return _has_credentials(session)
        except Exception as error:
            if not _may_be_starting(error) or time.monotonic() > end:
                raise
        time.sleep(pause)
    attempts.append(time.monotonic())
    return _has_credentials(session)


def _has_credentials(session: Any) -> bool:
    credentials = session.get_credentials()
    if credentials is None:
        return False
    ask_nobody(credentials)
    checked(credentials)
    return True


def _may_be_starting(error: Exception) -> bool:
    if isinstance(error, LoginError):
        return error.kind == "metadata"
    from_container = getattr(error, "kwargs", {}).get("provider") == "container-role"
    return from_container and type(error).__name__ == "CredentialRetrievalError"
