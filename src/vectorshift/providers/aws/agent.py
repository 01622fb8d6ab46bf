"""Read a secret through the Secrets Manager Agent (now AWS Workload Credentials Provider), or a
secret or parameter through the Lambda extension with the same API.

Neither boto3 nor botocore is imported. Errors name the HTTP status and known codes; they never
repeat the text of an answer.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import ssl
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from vectorshift._platform.files import read_small, reason_of
from vectorshift._platform.frames import raise_callers_own
from vectorshift._platform.importing import load
from vectorshift._platform.urls import is_loopback
from vectorshift.credentials.values import Secret
from vectorshift.errors import CredentialDeniedError, CredentialError
from vectorshift.providers.aws.locators import (
    PARAMETERS,
    PAUSES,
    SECRETS,
    printable,
    region_in,
)
from vectorshift.providers.aws.value import credential_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from vectorshift.credentials.resolving import Result
    from vectorshift.providers.aws.arguments import AwsArguments

__all__ = ["TOKEN_FILE", "Agent", "Token", "find_token"]

TOKEN_FILE: Final = (
    r"C:\ProgramData\AWS\WorkloadCredentialsProvider\awssmatoken"
    if sys.platform == "win32"
    else "/var/run/awssmatoken"
)
_VARIABLES: Final = ("AWS_TOKEN", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
_FILE: Final = "file://"
_HEADER: Final = "X-Aws-Parameters-Secrets-Token"
_CONNECT, _READ = 2.0, 3.0
_LARGEST: Final = 1 << 20
_PARAMETERS: Final = {
    "SecretId": "secretId",
    "VersionId": "versionId",
    "VersionStage": "versionStage",
}


@dataclass(frozen=True, slots=True, repr=False)
class _Reply:
    status: int
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def says(self, *words: str) -> bool:
        text = self.text.lower()
        return any(word in text for word in words)

    @property
    def is_of_a_start(self) -> bool:
        """Return whether the Agent says that it is still starting."""
        if self.status == 503:
            return not self.says('"__type"')  # that would be AWS itself
        return self.status == 400 and self.says("not ready to serve")


class Agent:
    """Reads a secret from the Agent. Keeps no connection between reads: a freeze or a fork would
    break it.

    Args:
        arguments: those of the provider. An answer from another region is an error.
    """

    def __init__(self, arguments: AwsArguments) -> None:
        self._arguments = arguments
        self._url = (arguments.agent_url or "").rstrip("/")
        self._path, self._query = _request(arguments)
        self._bypass_cache = False

    @property
    def address(self) -> str:
        """The address for messages, without user information, path and query."""
        try:
            parts = urlsplit(self._url)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        except ValueError:
            return "an unreadable address"

    def invalidate(self) -> None:
        """Make the next read bypass the Agent's cache, which may hold a rejected key."""
        self._bypass_cache = True

    def read(self, *, rejected: bool) -> Result:
        """Read the secret. Wait at most 1.6 s for an Agent that is starting.

        Args:
            rejected: whether the API has rejected the key, so that the Agent must ask AWS.
        """
        refresh = (self._bypass_cache or rejected) and self._arguments.store is SECRETS
        self._bypass_cache = False  # before the read: a rejection during it needs another read
        answer = self._read(refresh=refresh)
        if refresh and isinstance(answer, CredentialError):
            self._bypass_cache = True
        return answer

    def _read(self, *, refresh: bool) -> Result:
        if flaw := _flaw(self._url):
            return self._arguments.wrong(flaw)
        token = find_token(os.environ)
        if isinstance(token, str):
            return self._arguments.wrong(token)
        reply = self._patiently(token, refresh=refresh)
        if (
            isinstance(reply, _Reply)
            and reply.status == 400
            and refresh
            and reply.says("refreshnow")
        ):
            reply = self._ask(token, refresh=False)  # an older Agent without that parameter
        if isinstance(reply, CredentialError):
            return reply
        return self._credential(reply) if reply.status == 200 else self._failed(reply, token)

    def _patiently(self, token: Token, *, refresh: bool) -> _Reply | CredentialError:
        for pause in PAUSES:
            reply = self._ask(token, refresh=refresh)
            if isinstance(reply, _Reply):
                may_start = reply.is_of_a_start
            else:  # nothing listens yet
                may_start = getattr(reply, "retry_after", None) is not None
            if not may_start:
                return reply
            time.sleep(pause)
        return self._ask(token, refresh=refresh)

    def _ask(self, token: Token, *, refresh: bool) -> _Reply | CredentialError:
        import httpx

        from vectorshift._platform.tls import tls

        query = {**self._query, "refreshNow": "true"} if refresh else self._query
        limits = httpx.Timeout(_READ, connect=_CONNECT)
        # plain HTTP needs no certificates: loading them takes 20 ms
        verify = (
            tls(None) if self._url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        try:
            request = httpx.Request(
                "GET",
                f"{self._url}{self._path}",
                params=query,
                headers={_HEADER: token.secret.reveal(), "Accept-Encoding": "identity"},
                extensions={"timeout": limits.as_dict()},
            )
            # Unlike a client, a transport uses no proxy, netrc or redirect: the token must go only
            # to this address.
            with (
                httpx.HTTPTransport(trust_env=False, verify=verify) as transport,
                contextlib.closing(transport.handle_request(request)) as response,
            ):
                return _Reply(response.status_code, _content(response))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise_callers_own(error)
            cause = error.__cause__ or error.__context__
            bad_tls = isinstance(cause, ssl.SSLError) or isinstance(
                getattr(cause, "__context__", None), ssl.SSLError
            )
            if bad_tls:
                return self._arguments.wrong(
                    f"the TLS certificate of the Agent at {self.address} cannot be verified. "
                    f"{_CHECK}"
                )
            is_late = isinstance(error, httpx.TimeoutException)
            what = "did not answer in time" if is_late else "could not be reached"
            return self._arguments.unavailable(
                f"the Agent at {self.address} {what} ({type(error).__name__}). Start it, or "
                "correct the address.",
                retry_after=1 if isinstance(error, httpx.ConnectError) else None,
            )

    def _credential(self, reply: _Reply) -> Result:
        answer = _document(reply.body)
        if answer is None:
            return self._arguments.wrong(
                f"what answers at {self.address} is not the Agent: it did not send a JSON "
                f"object. {_CHECK}"
            )
        parameter = answer.get("Parameter")
        named = cast("dict[str, Any]", parameter) if isinstance(parameter, dict) else answer
        region, read_from = self._arguments.region, region_in(str(named.get("ARN")))
        if region and read_from and read_from != region:
            return self._arguments.wrong(
                f"the Agent at {self.address} reads from region {printable(read_from)}, and "
                f"VECTORSHIFT_AWS_REGION is {region}. Start the Agent with that region, or unset "
                "the setting."
            )
        return credential_in(answer, self._arguments)

    def _failed(self, reply: _Reply, token: Token) -> CredentialError:
        """Return the error for a failed reply of the Agent, or of AWS behind it."""
        text, status = reply.text, reply.status
        code = _code(text)
        if reply.is_of_a_start:
            return self._arguments.unavailable(
                f"the Agent at {self.address} is not ready yet (HTTP {status}).", retry_after=1
            )
        if status >= 500 and code in (None, "InternalFailure"):
            return self._arguments.unavailable(
                f"the Agent at {self.address} could not read from AWS (HTTP {status}). The "
                "Agent's log says why: no AWS credentials, or no route to AWS."
            )
        if code is not None:
            meant = load("vectorshift.providers.aws.errors")
            given = self._arguments
            place = meant.SecretLocation(given=given, region=given.region, agent=self.address)
            failure: CredentialError = meant.answered(
                code=code, text=text, status=status, place=place
            )
            return failure
        if status in (401, 403):
            source = self._arguments.source
            return CredentialDeniedError(
                f"{source}: the Agent at {self.address} refused the token of {token.place} (HTTP "
                f"{status}). Set AWS_TOKEN to the token that the Agent was started with, or to "
                "file:// and the path of its file.",
                source=source,
                provider="aws",
            )
        if status == 429 or status >= 500:
            return self._arguments.unavailable(
                f"the Agent at {self.address} could not answer (HTTP {status})."
            )
        if status in (400, 408) and not reply.says("parameter", "forwarded"):
            thing = self._arguments.store.thing
            return self._arguments.unavailable(
                f"the Agent at {self.address} could not read the {thing} and does not say why "
                f"(HTTP {status}). The Agent's log does (the Lambda extension writes it to "
                f"CloudWatch). Often it is the role's policy, the {thing}'s name, or the network."
            )
        return self._arguments.wrong(
            f"what answers at {self.address} does not accept the request (HTTP {status}). {_CHECK}"
        )


def _request(given: AwsArguments) -> tuple[str, dict[str, str]]:
    """Return the path and the query of the request."""
    if given.store is PARAMETERS:
        parts = given.locator.split(":")
        length = 6 if parts[0] == "arn" else 1  # of the name; a version or label may follow
        name, version = ":".join(parts[:length]), ":".join(parts[length:])
        query = {"name": name, "withDecryption": "true"}
        if version:
            query["version" if version.isdigit() else "label"] = version
        return "/systemsmanager/parameters/get", query
    query = {_PARAMETERS[name]: value for name, value in given.query.items()}
    if given.agent_role_arn:
        query["roleArn"] = given.agent_role_arn
    return "/secretsmanager/get", query


def _content(response: httpx.Response) -> bytes:
    """Return the raw body up to 1 MiB: a longer one is not from the Agent, and no longer JSON."""
    import httpx

    ends, content = time.monotonic() + _READ, bytearray()
    for piece in response.iter_raw():
        content += piece
        if len(content) > _LARGEST:
            break
        if time.monotonic() > ends:
            raise httpx.ReadTimeout("the answer was incomplete in time")
    return bytes(content[:_LARGEST])


class Token(NamedTuple):
    """A token and the printable place where it was found."""

    secret: Secret
    place: str


def find_token(environ: Mapping[str, str], token_file: str = TOKEN_FILE) -> Token | str:
    """Return the token, searched in the Agent's own order, or what is wrong with it.

    Files are read each time: a restarted Agent has another token.

    Args:
        environ: the environment; a variable may hold the token, or `file://` and a path.
        token_file: the file to read if no variable is set.
    """
    for name in _VARIABLES:
        value = environ.get(name, "").strip()
        if value.startswith(_FILE):
            return _in_file(
                value.removeprefix(_FILE), f"{name} names {value.removeprefix(_FILE)}, which"
            )
        if value:
            return _checked(value, name)
    return _in_file(token_file, f"AWS_TOKEN has no token for the Agent, and {token_file}")


def _in_file(path: str, subject: str) -> Token | str:
    try:
        text = read_small(path)[0].decode().strip()
    except OSError as error:
        flaw = reason_of(error)
        return (
            f"{subject} cannot be read: {flaw}. Set AWS_TOKEN to the Agent's token, or to "
            "file:// and a path."
        )
    except ValueError:
        text = "\n"
    return _checked(text, path)


def _checked(text: str, place: str) -> Token | str:
    if re.fullmatch(r"[!-~]+", text):
        return Token(Secret(text), place)
    flaw = "has a character that is not allowed in a header" if text else "is empty"
    return (
        f"the Agent's token in {place} {flaw}. Set AWS_TOKEN to it, or to file:// and the path "
        "of its file."
    )


_WRONG_STATE: Final = "InvalidRequestException"
_CHECK: Final = "Check VECTORSHIFT_AWS_AGENT_URL, such as http://localhost:2773."


def _flaw(url: str) -> str | None:
    """Return why the Agent at this address must not be asked, or None."""
    no_url = f"the address of the Secrets Manager Agent is not a plain URL. {_CHECK}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return no_url
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        return no_url
    if parts.query or parts.fragment or parts.username or parts.password:
        return no_url
    if parts.scheme == "https" or is_loopback(host):
        return None
    return (
        "plain HTTP beyond loopback would show the key and the token to the network. Run the "
        "Agent beside the process (VECTORSHIFT_AWS_AGENT_URL=http://localhost:2773), or use an "
        "https:// address."
    )


def _code(text: str) -> str | None:
    """Return the error code of AWS. The Agent passes it on; the extension has it in a sentence."""
    # the Agent does not escape messages, so this may not be JSON
    found = re.search(r'"__type"\s*:\s*"([\w.#]{1,200})"', text)
    if found:
        return found[1].rpartition("#")[2]
    known = {*load("vectorshift.providers.aws.meanings").BY_CODE, _WRONG_STATE}
    return next(
        (word for word in re.findall(r"(?<![\w-])([A-Z]\w+): ", text) if word in known), None
    )


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        document: Any = json.loads(body)
        if not isinstance(document, dict):
            return None
        answer = cast("dict[str, Any]", document)
        if isinstance(answer.get("SecretBinary"), str):
            answer["SecretBinary"] = base64.b64decode(answer["SecretBinary"], validate=True)
    except (ValueError, RecursionError):  # a JSONDecodeError holds the text, so drop it
        return None
    return answer
