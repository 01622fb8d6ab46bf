"""boto3 sessions that never prompt at the terminal, and never wait long for AWS credentials.

botocore has no public API for this. Its private names are used only here. boto3 and botocore are
imported at the first read.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from vectorshift._platform.importing import load
from vectorshift.errors import CredentialConfigurationError
from vectorshift.providers.aws.locators import printable
from vectorshift.providers.aws.logs import reading_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "LoginError",
    "ask_nobody",
    "bound_answers",
    "checked",
    "credentials_of",
    "detach_processes",
    "new_session",
    "read_config",
]

_LARGEST: Final = 1 << 20
"""The largest answer in bytes."""
_LONGEST: Final = 3.0
"""The longest time for an answer in seconds."""
_PIECE: Final = 4096
"""Bytes that are unpacked at a time: to at most a thousand times as many."""

# No caller waits as long as botocore's defaults of 60 s each.
_READ_WAITS: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 3,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
# For botocore's own clients of STS and SSO. One attempt: our next call is the second one, and a
# hang here delays the read.
_LOGIN_WAITS: Final[dict[str, Any]] = {
    "connect_timeout": 2,
    "read_timeout": 2,
    "retries": {"mode": "standard", "total_max_attempts": 1},
}


_SAYS: Final = {
    "mfa": "the AWS profile asks for an MFA code of {device}",
    "process": "the credential_process of the AWS profile '{profile}' {why}",
    "process start": "the credential_process of the AWS profile '{profile}' cannot be run: {why}",
    "metadata": "the machine's metadata service gives none ({answer})",
    "values": "the AWS credentials are malformed",
}


class LoginError(Exception):
    """The source of AWS credentials failed. Has fields, like exceptions of botocore.

    Args:
        kind: the key in `BY_LOGIN`.
        fields: printable facts for the message.
    """

    def __init__(self, kind: str, **fields: str) -> None:
        super().__init__(_SAYS[kind].format_map(fields))
        self.kind = kind
        self.kwargs = fields


def read_config(*, direct: bool) -> Any:
    """Return the configuration of the client.

    Args:
        direct: whether to ignore the proxies of the environment.
    """
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    return Config(**_READ_WAITS, **({"proxies": {}} if direct else {}))


def new_session(*, profile: str | None, region: str | None, fallback: str | None) -> Any:
    """Return a `boto3.Session`. For a missing profile, botocore's exception passes through.

    botocore's own limits for a machine's metadata service stay: one second a request, two requests.
    `AWS_METADATA_SERVICE_TIMEOUT` and `AWS_METADATA_SERVICE_NUM_ATTEMPTS` change them.

    Args:
        profile: the AWS profile, or None.
        region: the region of the session, or None for that of AWS's files.
        fallback: the region if AWS's files have none.

    Raises:
        CredentialConfigurationError: boto3 is missing or broken.
    """
    boto3, botocore_session = _imported()
    from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs]

    own: Any = botocore_session.Session()
    # the STS client of a web identity ignores the config of our client
    own.set_default_client_config(Config(**_LOGIN_WAITS))
    session: Any = boto3.Session(botocore_session=own, profile_name=profile, region_name=region)
    if session.region_name is None and fallback is not None:
        own.set_config_variable("region", fallback)
    own.get_component("data_loader").file_loader = _files()
    for each in own.get_component("credential_provider").providers:
        if each.METHOD == "container-role":
            each._fetcher = _container_fetcher()
        elif each.METHOD == "iam-role":
            _watch_metadata(each, own.get_config_variable("metadata_service_timeout"))
    return session


@cache
def _files() -> Any:
    """Return a loader of botocore's service descriptions that reads each file once for all
    sessions. They take most of the time and memory of a new client.
    """
    from botocore.loaders import JSONFileLoader  # pyright: ignore[reportMissingTypeStubs]

    plain: Any = JSONFileLoader
    once = {name: cache(getattr(plain, name)) for name in ("exists", "load_file")}
    return type("ReadOnce", (plain,), once)()


def _imported() -> tuple[Any, Any]:
    """Import boto3 and botocore; raise if they are missing or broken."""
    try:
        boto3, session = load("boto3"), load("botocore.session")
    except ModuleNotFoundError as error:
        if error.name in ("boto3", "botocore", None):
            raise CredentialConfigurationError(
                "the package boto3 is missing. Install it: pip install 'vectorshift[aws]>=2'"
            ) from None
        why = f"No module named {error.name!r}"
    except Exception as error:  # an incompatible urllib3, an incomplete upgrade
        why = f"{type(error).__name__}: {error}"
    else:
        if hasattr(boto3, "Session"):
            return boto3, session
        why = f"{getattr(boto3, '__file__', 'what is imported')} is not boto3; rename it"
    raise CredentialConfigurationError(
        f"boto3 is installed but cannot be imported: {printable(why)}. Unless that is your own "
        "file, run: pip install --force-reinstall boto3 botocore"
    )


def _container_fetcher() -> Any:
    """Return a fetcher that asks the endpoint of ECS or EKS once. botocore waits up to 9 s."""
    from botocore.httpsession import URLLib3Session  # pyright: ignore[reportMissingTypeStubs]
    from botocore.utils import ContainerMetadataFetcher  # pyright: ignore[reportMissingTypeStubs]

    class AskOnce(ContainerMetadataFetcher):  # type: ignore[misc]
        RETRY_ATTEMPTS = 1

    def no_pause(_: float) -> None:
        pass

    return AskOnce(session=URLLib3Session(timeout=1), sleep=no_pause)


def _watch_metadata(provider: Any, timeout: float) -> None:
    """Raise if a metadata service answers without credentials: botocore would ignore it, as if
    there were no service.

    Its requests use no proxy: the answer holds the role's credentials.
    """
    from botocore.exceptions import ReadTimeoutError  # pyright: ignore[reportMissingTypeStubs]
    from botocore.httpsession import URLLib3Session  # pyright: ignore[reportMissingTypeStubs]

    fetcher, load = provider._role_fetcher, provider.load
    direct: Any = URLLib3Session(timeout=timeout)
    seen = [""]

    class Watched:
        def send(self, request: Any) -> Any:
            try:
                response = direct.send(request)
            except ReadTimeoutError:
                seen[0] = "no answer in time"
                raise
            seen[0] = f"HTTP {response.status_code}"
            return response

    def watched_load() -> Any:
        seen[0] = ""
        credentials = load()
        if credentials is None and seen[0]:
            raise LoginError("metadata", answer=seen[0])
        return credentials

    fetcher._session, provider.load = Watched(), watched_load


def bound_answers(client: Any) -> Any:
    """Limit the answers that a client reads to 1 MiB unpacked and 3 s: botocore has no limits."""
    client._endpoint.http_session = _BoundedSession(client._endpoint.http_session)
    return client


class _BoundedSession(NamedTuple):
    """Replaces the HTTP session of a client. Stand-ins within the process, such as moto's
    `mock_aws`, answer before it.
    """

    http: Any

    def send(self, request: Any) -> Any:
        """Send a request, and return the response with its content."""
        request.stream_output = True
        response: Any = self.http.send(request)
        response.raw = _Bounded(response.raw, request.url)
        response.content  # noqa: B018  # reads it here, where botocore retries after a failure
        return response

    def close(self) -> None:
        """Close the connections."""
        self.http.close()


class _Bounded(NamedTuple):
    """Replaces the stream of an answer in botocore."""

    raw: Any
    url: str

    def stream(self) -> Iterator[bytes]:
        """Yield the content, up to the limits."""
        from botocore.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
            HTTPClientError,
            ReadTimeoutError,
        )

        size, ends = 0, time.monotonic() + _LONGEST
        for piece in self.raw.stream(_PIECE):
            size += len(piece)
            if size > _LARGEST:
                raise HTTPClientError(error="the answer is larger than 1 MiB")
            if time.monotonic() > ends:
                raise ReadTimeoutError(endpoint_url=self.url)
            yield piece


# --- The terminal and standard input belong to the program: a library must not prompt ---


def detach_processes(session: Any) -> None:
    """Keep each `credential_process` of a session off the terminal while we read.

    Outside our reads, a session that the caller handed in starts them as before.

    Args:
        session: a `boto3.Session`.
    """
    own = getattr(session, "_session", None)
    if own is None or getattr(own, "_vectorshift", False):
        return
    own._vectorshift = True
    for each in own.get_component("credential_provider").providers:
        if each.METHOD == "custom-process":
            _detach(each)
        elif each.METHOD == "assume-role":
            _detach_source_profiles(each._profile_provider_builder)


def _detach_source_profiles(builder: Any) -> None:
    make = builder._create_process_provider

    def make_detached(profile: str) -> Any:
        return _detach(make(profile))

    builder._create_process_provider = make_detached


def _detach(provider: Any) -> Any:
    if not isinstance(provider._popen, _Start):
        provider._popen = _Start(provider._popen, provider._profile_name)
    return provider


def credentials_of(client: Any) -> Any:
    """Return the AWS credentials of a client, or None. A read may renew them."""
    return getattr(getattr(client, "_request_signer", None), "_credentials", None)


_KEY: Final = "[!#-&(-~][!-~]*"
"""A part of AWS credentials: visible characters, without a quotation mark before them."""


def checked(credentials: Any) -> Any:
    """Return the access key, the secret key and the token of AWS credentials. May renew them.

    Raises:
        LoginError: they have what AWS credentials never have, such as quotation marks of a file.
    """
    keys = credentials.get_frozen_credentials()
    values = [keys.access_key, keys.secret_key, *filter(None, [keys.token])]
    if not all(isinstance(each, str) and re.fullmatch(_KEY, each) for each in values):
        raise LoginError("values")
    return keys


def ask_nobody(credentials: Any) -> None:
    """Raise if AWS credentials cannot be used without a prompt for an MFA code. Keep the
    `credential_process` that renews them off the terminal.

    botocore prompts on the terminal, or else reads a line of standard input and sends it to STS.

    Args:
        credentials: those of a session or a client, or None.

    Raises:
        LoginError: it would prompt.
    """
    while credentials is not None and hasattr(credentials, "refresh_needed"):
        if not credentials.refresh_needed():
            return
        renew = getattr(credentials, "_refresh_using", None)
        asked_before = getattr(renew, "_has_been_called", False)  # it never prompts twice
        for cell in getattr(renew, "__closure__", None) or ():
            if hasattr(cell.cell_contents, "_popen"):
                _detach(cell.cell_contents)
        fetcher = getattr(getattr(renew, "_refresh", renew), "__self__", None)
        if fetcher is None:
            return
        device = getattr(fetcher, "_assume_kwargs", {}).get("SerialNumber")
        if device and not asked_before and fetcher._load_from_cache() is None:
            role = printable(fetcher._assume_kwargs.get("RoleArn", "the role"))
            raise LoginError("mfa", device=printable(device), role=role)
        credentials = getattr(fetcher, "_source_credentials", None)


_running: dict[subprocess.Popen[bytes], int] = {}


@atexit.register
def _end_running() -> None:
    for child, parent in list(_running.items()):
        if parent == os.getpid():  # not in a fork
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            child.kill()
        else:
            os.killpg(child.pid, signal.SIGKILL)  # also its children


_CREDENTIALS: Final = ("AccessKeyId", "SecretAccessKey")


class _Start(NamedTuple):
    """Replaces `subprocess.Popen` in botocore during our reads."""

    popen: Any
    profile: str

    def __call__(self, arguments: list[str], **pipes: Any) -> Any:
        ends = reading_ends()
        if ends is None:
            return self.popen(arguments, **pipes)
        left = max(0.1, ends - time.monotonic())
        # end before the caller's deadline, so that the caller learns what hangs
        return _Process(arguments, self.profile, left - min(0.5, left / 20))


class _Process:
    """A `credential_process` in a session of its own, with an empty standard input."""

    returncode = 0

    def __init__(self, arguments: list[str], profile: str, limit: float) -> None:
        self._profile, self._limit = profile, limit
        try:
            self._child = subprocess.Popen(  # noqa: S603  # the user's own AWS file names it
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as error:
            why = getattr(error, "strerror", None) or ("" if arguments else "it is empty")
            why = why or type(error).__name__
            raise self._failed("process start", why) from None
        _running[self._child] = os.getpid()

    def communicate(self) -> tuple[bytes, bytes]:
        """Return the JSON that it printed, and its errors. Raise LoginError for anything else."""
        with self._child:
            try:
                output, errors = self._child.communicate(timeout=self._limit)
            except subprocess.TimeoutExpired:
                _end(self._child)
                raise self._failed("process", f"did not end within {self._limit:.1f} s") from None
            finally:
                del _running[self._child]
        if status := self._child.returncode:
            lines = errors.decode(errors="replace").strip().splitlines()
            says = f" and said: {printable(lines[-1])}" if lines else ""
            raise self._failed("process", f"ended with status {status}{says}")
        try:
            document: Any = json.loads(output)
        except ValueError:  # it may hold part of the output, so drop it
            document = None
        if not isinstance(document, dict):
            raise self._failed("process", "printed no JSON object")
        fields = cast("dict[str, Any]", document)
        keys = [fields.get(name) for name in _CREDENTIALS]
        if fields.get("Version") != 1 or not all(key and isinstance(key, str) for key in keys):
            raise self._failed("process", "printed no Version 1, AccessKeyId and SecretAccessKey")
        if (ends := fields.get("Expiration")) is not None:
            try:  # as botocore will
                _ = load("dateutil.parser").parse(ends) - datetime.now(timezone.utc)
            except (ValueError, TypeError, OverflowError):
                raise self._failed(
                    "process", "printed an Expiration that is no time with a zone"
                ) from None
        return json.dumps(fields).encode(), errors  # without a byte order mark

    def _failed(self, kind: str, why: str) -> LoginError:
        return LoginError(kind, profile=self._profile, why=why)
