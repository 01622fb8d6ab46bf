"""The targets of `make fuzz`: each is a function of one text that raises `AssertionError` where the
package does what it must not. It returns the outcome in a few words: an input with a new outcome is
mutated further.

A text stands for bytes by `surrogateescape`. `MARK` is the secret in the seeds.
"""

from __future__ import annotations

import atexit
import configparser
import html
import ipaddress
import json
import logging
import os
import re
import shutil
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from dotenv import dotenv_values

from vectorshift import Credential, CredentialError, EnvProvider, Secret, Settings
from vectorshift._platform.dotenv_syntax import assignments_in
from vectorshift._platform.entry_points import GROUP, RESERVED, available
from vectorshift._platform.sse import EventDecoder, LineDecoder, ServerSentEvent
from vectorshift.credentials.redact import redact
from vectorshift.credentials.resolving import LookupRequest
from vectorshift.errors import (
    CredentialConfigurationError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
    VectorshiftApiError,
)
from vectorshift.errors.bodies import seconds
from vectorshift.providers.aws.agent import Agent, Token, _Reply
from vectorshift.providers.aws.arguments import AwsArguments
from vectorshift.providers.aws.errors import SecretLocation, answered
from vectorshift.providers.aws.value import credential_in
from vectorshift.providers.vault.classify import (
    Mount,
    Reply,
    SecretRef,
    classify_login,
    classify_read,
)
from vectorshift.providers.vault.requests import Budget, _reply
from vectorshift.providers.vault.value import read_key
from vectorshift.transport.proxies import is_direct

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["MARK", "TARGETS", "Target"]

MARK = "vs-Kq7Zx2Wv9Yj4Hd8"
_PARTS = {MARK[at : at + 4] for at in range(3, len(MARK) - 3)}
_MEMORY = Path("/dev/shm")
_FOLDER = Path(
    _MEMORY if _MEMORY.is_dir() else tempfile.gettempdir(), f"vectorshift-fuzz-{os.getpid()}"
)


@dataclass(frozen=True)
class Target:
    """Something to try.

    Args:
        check: tries one text.
        seeds: texts of real shapes.
        marks: what is put into them, parted by `|`.
        more: the same as a list.
    """

    check: Callable[[str], str]
    seeds: list[str]
    marks: str
    more: list[str] = field(default_factory=list[str])

    @property
    def tokens(self) -> list[str]:
        """All that is put into the seeds."""
        return [*self.marks.split("|"), *self.more]


def check_hidden(output: str, allowed: str = "") -> None:
    """Check that no part of the secret is in an output, but where `allowed` has it."""
    found = [part for part in _PARTS if part in output and part not in allowed]
    assert not found, f"a part of the secret is in: {output}"


def check_error(error: CredentialError, allowed: str = "") -> str:
    """Check what an error shows; return its outcome."""
    check_hidden(f"{error} {error!r} {vars(error)}", allowed)
    assert str(error).replace("\n", "").isprintable(), str(error)
    return f"{type(error).__name__} {re.sub('[^a-z ]', '', str(error))[:60]}"


def names_in(value: object) -> str:
    """Return the names of the fields in JSON: messages list those that are plausible."""
    if isinstance(value, dict):
        return " ".join(f"{name} {names_in(each)}" for name, each in value.items())
    return ""


def bytes_of(text: str) -> bytes:
    """Return the bytes that a text stands for."""
    plain = re.sub("[\ud800-\udc7f\udd00-\udfff]", "?", text)
    return plain.encode("utf-8", "surrogateescape")


def parsed(text: str | bytes) -> Any:
    """Return JSON, or None. A number may be longer than `int` takes."""
    try:
        return json.loads(text, parse_int=str)
    except (ValueError, RecursionError):
        return None


def head_and_rest(text: str) -> tuple[list[str], str]:
    """Return the words of the first line, with four empty ones behind, and the other lines."""
    first, _, rest = text.partition("\n")
    return [*first.split(" "), "", "", "", ""], rest


def status_of(word: str) -> int:
    """Return an HTTP status in any text."""
    return int(word) if re.fullmatch("[1-5][0-9][0-9]", word) else 200


# --- Texts that are parsed ------------------------------------------------------------------------


def dotenv(text: str) -> str:
    """What has no flaw is read as python-dotenv reads it, and a flaw shows nothing of it."""
    found = assignments_in(text)
    said = f"{found.flaw} {found.flaw_of_stores} {found.contradiction(found.twice)}"
    check_hidden(said, " ".join(found.twice))
    if not found.flaw and not re.search(r"[^\S\n]{64}", text):
        read = dotenv_values(stream=StringIO(text, newline=None), interpolate=False)
        theirs = {name: value for name, value in read.items() if name not in found.bare}
        ours = {name: value for name, value in found.values.items() if name not in found.bare}
        assert ours == theirs, (ours, theirs)
    return re.sub("[0-9]+", "", f"{said} {found.passed_over > 0} {bool(found.bare)}")[:120]


def key_file(text: str) -> str:
    """A file holds the key alone, or it is refused; only white space around it is left out."""
    content = bytes_of(text)
    path = _FOLDER / "key"
    path.write_bytes(content)
    found = EnvProvider("FUZZ_UNSET", file=path).resolve(LookupRequest())
    if isinstance(found, CredentialError):
        assert isinstance(found, CredentialConfigurationError), found
        words = content.decode("utf-8", "replace").removeprefix("\ufeff").strip()
        assert not re.fullmatch(r"vs-[A-Za-z0-9_-]{8,8000}", words), found
        return check_error(found, names_in(parsed(words)))
    key = found.secret.reveal()
    assert re.fullmatch("[!-~]{1,8192}", key), key
    assert key == content.decode("utf-8-sig").strip().removeprefix("\ufeff").strip()
    return "a key"


_DATE = "%a, %d %b %Y %H:%M:%S GMT"
_A_YEAR = 31_536_000.0


def retry_after(text: str) -> str:
    """A number of seconds or a date is that; all else is nothing or a finite time up to a year."""
    now = datetime.now(timezone.utc)
    wait = seconds(text)
    assert wait is None or 0 <= wait <= _A_YEAR, wait
    if text == "nan":
        assert wait is None
    elif re.fullmatch("[0-9]{1,300}", text):
        assert wait == min(float(text), _A_YEAR), wait
    elif re.fullmatch(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT", text):
        try:
            at = datetime.strptime(text, _DATE).replace(tzinfo=timezone.utc)
        except ValueError:
            return "a wrong date"
        due = min(max(0.0, (at - now).total_seconds()), _A_YEAR)
        assert wait is not None
        assert abs(wait - due) < 5, (wait, due)
    return "None" if wait is None else f"{min(wait, 3):.0f}"


def events_by_the_text(raw: bytes) -> list[ServerSentEvent]:
    """Read a stream by the sentences of the WHATWG's text. But its end, and a second line `event:`,
    end an event as well.
    """
    events: list[ServerSentEvent] = []
    kind, id, data, retry = "", "", list[str](), None

    def dispatch() -> None:
        nonlocal kind, data, retry
        if data:
            text = "\n".join(data)
            events.append(ServerSentEvent(event=kind or "message", data=text, id=id, retry=retry))
            retry = None
        kind, data = "", []

    for line in lines_by_the_text(raw.removeprefix(b"\xef\xbb\xbf")):
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            dispatch()
        elif name == "event":
            if kind and data:
                dispatch()
            kind = value
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            id = value
        elif name == "retry" and re.fullmatch("[0-9]{1,18}", value):
            retry = int(value)
    dispatch()
    return events


def lines_by_the_text(raw: bytes) -> list[str]:
    """Part bytes at the ends of lines, after they were decoded."""
    lines = re.split("\r\n|\r|\n", raw.decode("utf-8", "replace"))
    return lines if lines[-1] else lines[:-1]


def server_sent_events(text: str) -> str:
    """However a stream is cut, its events and lines are those that the standard's text gives."""
    raw = bytes_of(text)
    events = events_by_the_text(raw)
    for size in (1 + len(raw) % 7, len(raw) + 1):
        decoder, lines = EventDecoder(), LineDecoder()
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
        found = [event for piece in pieces for event in decoder.feed(piece)] + decoder.end()
        assert found == events, (found, events)
        parts = [line for piece in pieces for line in lines.feed(piece)] + lines.end()
        assert parts == lines_by_the_text(raw), parts
    return f"{min(len(events), 4)} {[event.event[:9] for event in events[:2]]} {raw.isascii()}"


# --- Answers of stores ----------------------------------------------------------------------------


class _Response:
    """As much of urllib3's response as is read."""

    def __init__(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.status, self.headers, self._content = status, headers, content

    def read(self, amount: int, *, decode_content: bool) -> bytes:
        assert not decode_content
        piece, self._content = self._content[:amount], self._content[amount:]
        return piece


def vault(text: str) -> str:
    """A key is a text of a 200; what may pass is unavailable; only metadata prove a deletion."""
    (status, version, wait, date, *_), body = head_and_rest(text)
    content = bytes_of(body)
    headers = {"Retry-After": wait, "Date": date.replace("_", " ")}
    reply = _reply(_Response(status_of(status), headers, content), Budget(), is_standby=False)
    if not isinstance(reply, Reply):
        return "no reply"
    assert reply.retry_after is None or reply.retry_after >= 0, reply.retry_after
    ref = SecretRef(
        address="https://vault.example:8200",
        namespace=None,
        mount="secret",
        path="vectorshift",
        field="api_key",
        kv_version=1 if version == "1" else 2,
        version=None,
        auth="token",
    )
    document = parsed(content)
    data = _inner(document, "data")
    metadata = _inner(data, "metadata")
    Mount.from_reply(reply)
    login = classify_login(reply, ref, "Look at the role.")
    if login is not None:
        check_error(login)
    result = classify_read(reply, ref) or read_key(reply, ref)
    if isinstance(result, Credential):
        fields = data if ref.kv_version == 1 else _inner(data, "data")
        assert reply.status == 200
        assert result.secret.reveal() == str(fields["api_key"]).replace("\ufeff", "").strip()
        check_hidden(repr(result), str(result.version))
        return f"a key {result.expires_at is not None}"
    if isinstance(result, CredentialRevokedError):
        assert reply.status == 404
        assert metadata.get("destroyed") is True or metadata.get("deletion_time"), metadata
    if reply.status >= 500 or reply.status == 429:
        assert isinstance(result, CredentialStoreUnavailableError) or reply.plain_http, result
    return check_error(result, f"{names_in(document)} {names_in(_inner(data, 'data'))}")


def _inner(value: object, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


_SECRET = AwsArguments(secret_id="prod/vs", region="eu-central-1", field="api_key")
_WHOLE = AwsArguments(secret_id="prod/vs", region="eu-central-1")
_PARAMETER = AwsArguments(parameter="/prod/vs", region="eu-central-1")
_ARNS = re.compile(r"(?:arn:|kms:|on resource: )\S+")


def aws(text: str) -> str:
    """A key is the text, or its field; it has no part in an error."""
    (which, *_), body = head_and_rest(text)
    arguments = {"field": _SECRET, "parameter": _PARAMETER}.get(which, _WHOLE)
    answer = parsed(body)
    if not isinstance(answer, dict):
        return "no answer"
    if isinstance(binary := answer.get("SecretBinary"), str):
        answer["SecretBinary"] = bytes_of(binary)
    return _checked_aws(credential_in(answer, arguments), answer, arguments)


def _checked_aws(result: Credential | CredentialError, answer: Any, given: AwsArguments) -> str:
    held = answer.get("SecretString", _inner(answer, "Parameter").get("Value"))
    if not isinstance(held, str) and isinstance(answer.get("SecretBinary"), bytes):
        held = answer["SecretBinary"].decode("utf-8", "replace")
    inside = parsed(held.removeprefix("\ufeff")) if isinstance(held, str) else None
    if isinstance(result, CredentialError):
        named = str(_inner(answer, "Parameter").get("ARN", answer.get("ARN")))
        return check_error(result, f"{names_in(inside)} {named}")
    key = result.secret.reveal()
    assert re.fullmatch("[!-~]{1,8192}", key)
    if given.field is None:
        assert key == str(held).replace("\ufeff", "").strip()
    else:
        assert key == str(_inner({"": inside}, "")["api_key"]).replace("\ufeff", "").strip()
    check_hidden(repr(result), str(result.version))
    return "a key"


_OPERATIONS = ["GetSecretValue", "AssumeRole", "GetRoleCredentials"]


def aws_error(text: str) -> str:
    """AWS's own sentence alone proves a deletion, and of its texts only names are repeated."""
    (status, code, operation, *_), said = head_and_rest(text)
    error = answered(
        code=code,
        text=said,
        status=status_of(status),
        operation=operation if operation in _OPERATIONS else None,
        place=SecretLocation(given=_SECRET, region="eu-central-1"),
    )
    if isinstance(error, CredentialRevokedError):
        assert code == "InvalidRequestException"
        assert re.search(r"mark\w*\s+(?:for )?delet", said), said
    if isinstance(error, CredentialNotFoundError):
        assert code in ("ResourceNotFoundException", "ParameterNotFound"), code
        assert operation not in _OPERATIONS[1:], operation
    if status_of(status) >= 500 or status_of(status) == 429:
        assert isinstance(error, CredentialStoreUnavailableError), error
    return check_error(error, f"{code} {' '.join(_ARNS.findall(said))}")


_TOKEN = Token(Secret(MARK), "AWS_TOKEN")


def aws_agent(text: str) -> str:
    """The Agent's answer is read as AWS's own; a failure of the Agent itself proves nothing."""
    (status, which, *_), body = head_and_rest(text)
    given = AwsArguments(
        secret_id=None if which == "parameter" else "prod/vs",
        parameter="/prod/vs" if which == "parameter" else None,
        field="api_key" if which == "field" else None,
        region="eu-central-1",
        agent_url="http://localhost:2773",
    )
    agent = Agent(given)
    reply = _Reply(status_of(status), bytes_of(body))
    answer = parsed(reply.body)
    if reply.status == 200:
        result = agent._credential(reply)
        if isinstance(answer, dict) and "SecretBinary" not in answer:
            return _checked_aws(result, answer, given)
        return check_error(result) if isinstance(result, CredentialError) else "a key"
    error = agent._failed(reply, _TOKEN)
    assert not isinstance(error, CredentialNotFoundError) or "NotFound" in body, error
    if reply.status >= 500 or reply.status == 429:
        assert isinstance(error, CredentialStoreUnavailableError), error
    code = re.search(r'"__type"\s*:\s*"([\w.#]+)"', body)
    return check_error(error, f"{code and code[1]} {' '.join(_ARNS.findall(body))}")


# --- What surrounds the process -------------------------------------------------------------------

_SHOWN = ("VECTORSHIFT_ENV_FILE", "VECTORSHIFT_PROFILE", "VECTORSHIFT_PROVIDERS")


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@lru_cache
def _has_distributions(folder: str) -> bool:
    return any(Path(folder or ".").glob("*-info"))


@contextmanager
def _only_on_path(folder: Path) -> Iterator[None]:
    """Let a folder alone be searched for distributions: a scan of all takes milliseconds."""
    before = sys.path[:]
    sys.path[:] = [str(folder), *(each for each in before if not _has_distributions(each))]
    try:
        yield
    finally:
        sys.path[:] = before


def settings(text: str) -> str:
    """An environment gives settings, or an error or warning that shows no value of it."""
    pairs = (line.partition("=") for line in text.split("\n"))
    environ = {name: value for name, _, value in pairs if name and "\0" not in name + value}
    log, lines = logging.getLogger("vectorshift"), _Lines()
    log.addHandler(lines)
    allowed = " ".join([*environ, *(environ.get(name, "") for name in _SHOWN)])
    try:
        with _only_on_path(_FOLDER / "empty"):
            loaded = Settings.load(environ)
    except (CredentialConfigurationError, CredentialStoreUnavailableError) as error:
        return check_error(error, allowed)
    finally:
        log.removeHandler(lines)
        check_hidden("\n".join(lines.lines), allowed)
    assert loaded.load_timeout > 0
    return f"{sorted(loaded.model_fields_set)}"[:200]


_PLAIN_NAME = re.compile(r"\.?((?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*)\.?")


def no_proxy(text: str) -> str:
    """Each entry counts for itself; names, addresses and networks mean what they say."""
    (scheme, host, port, *_), entries = head_and_rest(text)
    origin = (scheme, host, int(port) if re.fullmatch("[1-9][0-9]{0,4}", port) else None)
    found = is_direct(entries, *origin)
    parts = [part for part in re.split(r"[,\s]+", entries) if part]
    assert found == any(is_direct(part, *origin) for part in ["", *parts]), entries
    if host in ("localhost", "127.0.0.1", "::1") or "*" in parts:
        assert found
    if len(parts) == 1 and re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]+|[0-9.]+", host):
        (entry,) = parts
        if _PLAIN_NAME.fullmatch(entry) and host != "localhost":
            name = entry.strip(".")
            assert found == (host == name or host.endswith(f".{name}")), entry
        elif re.fullmatch(r"[0-9]+(\.[0-9]+){3}/[0-9]+", entry):
            try:
                address = ipaddress.ip_address(host.rstrip("."))  # the dot of the root
                inside = address in ipaddress.ip_network(entry, strict=False)
            except ValueError:
                inside = False
            assert found == (inside or host == "127.0.0.1"), entry
    return f"{found} {min(len(parts), 5)} {re.sub('[a-z0-9]+', 'a', entries)[:30]}"


def plugins(text: str) -> str:
    """Plugins have plausible names out of entry_points.txt, or the distribution is named."""
    about, _, points = text.partition("\n---\n")
    folder = _FOLDER / "site" / "acme-1.0.dist-info"
    (folder / "METADATA").write_bytes(bytes_of(about))
    (folder / "entry_points.txt").write_bytes(bytes_of(points))
    try:
        with _only_on_path(folder.parent):
            found = available()
    except CredentialConfigurationError as error:
        return check_error(error)
    theirs = configparser.ConfigParser(delimiters="=", interpolation=None, strict=False)
    for each in found:
        is_name = bool(re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?", each.name))
        assert each.name
        assert is_name or each.problem, each.name
        assert GROUP in points
        assert f"{each}{each.origin}".isprintable(), each
        assert (each.name in RESERVED) <= bool(each.problem)
    try:
        theirs.read_string(points)
    except (configparser.Error, UnicodeError):
        return "not for configparser"
    return f"{len(found)} {[bool(each.problem) for each in found]}"


# --- What a server sends back ---------------------------------------------------------------------

_KEYS = [MARK, "vs-\"Kq7Z'x2<Wv>9&Y", "vs-Kq7Z\\x2\\\\Wv9/Yj4", "vs-Kq7Z%x2+Wv9=Yj4:Hd8"]
_SPELLINGS: list[Callable[[str], str]] = [
    str,
    lambda key: json.dumps(key)[1:-1],
    lambda key: json.dumps(json.dumps(key))[3:-3],
    lambda key: quote(key, safe=""),
    quote,
    html.escape,
    lambda key: "".join(f"&#{ord(each)};" for each in key),
    lambda key: "".join(f"&#x{ord(each):04X};" for each in key),
    lambda key: "".join(f"\\u{ord(each):04x}" for each in key),
    lambda key: repr(repr(key))[2:-2],
    lambda key: key.replace("/", "\\/"),
]
ECHO = [chr(0xE000 + number) for number in range(len(_SPELLINGS))]
"""Characters that stand for the key in one of its spellings."""


def error_body(text: str) -> str:
    """Whatever body and header a server sends, no part of an echoed key is in the error."""
    (status, *_), body = head_and_rest(text)
    key = _KEYS[len(text) % len(_KEYS)]
    for echo, spell in zip(ECHO, _SPELLINGS, strict=True):
        body = body.replace(echo, f" {spell(key)} ")
    clean = redact(body, [Secret(key), Secret("vs-another-key")])
    headers = {"X-Request-Id": clean[:200], "Retry-After": clean[:40]}
    error = VectorshiftApiError(status_of(status), "GET", "/v1/x", clean, headers)
    said = f"{error}\n{error!r}\n{error.args}\n{vars(error)}"
    read = f"{said}\n{html.unescape(clean)}\n{unquote(clean)}"
    found = {key[at : at + 4] for at in range(3, len(key) - 3)}
    found = {part for part in found if part in read and part not in text}
    assert not found, f"a part of {key} is in: {said}"
    assert str(error).replace("\n", "").replace("\t", "").isprintable(), str(error)
    if not any(echo in text for echo in ECHO) and "Kq7Z" not in text:
        assert clean == body
    return f"{re.sub('[^a-z ]', '', error.error_message)[:20]} {error.retry_after is None}"


# --- Seeds ----------------------------------------------------------------------------------------

_VAULT_ERRORS = [
    "permission denied",
    "invalid token",
    "Vault is sealed",
    "missing client token",
    "namespace not found",
    "no handler for route",
    "Upgrading from non-versioned to versioned data",
    "local node not active but active cluster node not found",
    "path disabled in replication DR secondary mode",
]
_KV2 = {
    "data": {
        "data": {"api_key": MARK, "user": "x"},
        "metadata": {
            "version": 3,
            "destroyed": False,
            "deletion_time": "",
            "custom_metadata": {"expires_at": "2027-01-31T00:00:00Z"},
        },
    }
}
_DELETED: dict[str, Any] = {
    "data": {
        "data": None,
        "metadata": {"version": 3, "destroyed": True, "deletion_time": "2026-01-31T00:00:00.1Z"},
    }
}
_WRONG = {"message": "The security token is invalid", "__type": "com.amazonaws#AccessDenied"}
_DENIED = (
    "User: arn:aws:iam::123456789012:user/app is not authorized to perform:"
    " secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-central-1:123456789012:"
    f"secret:prod/vs-a1b2c3 because no identity-based policy allows it; token {MARK}"
)
_DELETION = (
    "You can't perform this operation on the secret because it was marked for deletion."
    f" The Canonical String should have been x-amz-security-token:{MARK}"
)
_NAMES = sorted(
    f"VECTORSHIFT_{name.upper()}"
    for name in cast("dict[str, object]", Settings.model_fields)
    if name != "plugins"
)
_VAULT_NAMES = ["VAULT_ADDR", "BAO_ADDR", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_NAMESPACE"]

TARGETS: dict[str, Target] = {
    "dotenv": Target(
        dotenv,
        [
            f"VECTORSHIFT_API_KEY={MARK}\nOTHER=a b # c\n",
            f"export VECTORSHIFT_API_KEY='{MARK}'\nA=\"x\\ny\"\nB=`c`\n",
            f"VECTORSHIFT_API_KEY: {MARK}\nvectorshift_api_key={MARK}\n",
            f"<<<<<<< a\nVECTORSHIFT_API_KEY={MARK}\n=======\nB=1\n>>>>>>> b\n",
            f"A='1\nVECTORSHIFT_API_KEY={MARK}\nVAULT_ADDR=https://x:8200\nB=2\n",
            f"A='1\r\n2'\rB=2\r\nVECTORSHIFT_API_KEY={MARK}",
            f"A=1 VECTORSHIFT_API_KEY={MARK}\nA=${{B}}\nA\nexport C\n",
        ],
        "VECTORSHIFT_|API_KEY|export |='|=\"|BAO_|\\'| #|<<<<<<<|>>>>>>>",
    ),
    "key_file": Target(
        key_file,
        [
            MARK,
            f"\ufeff{MARK}\r\n",
            f'{{"api_key": "{MARK}"}}',
            f"data: map[api_key:{MARK}]",
            f"VECTORSHIFT_API_KEY={MARK}\n",
            f"Bearer {MARK}",
            f"${{{MARK}}}",
            f"{MARK}\n{MARK}\n",
            f"\udcff\udcfe{MARK}",
        ],
        "vault:|op://|${|}|{{|map[|Bearer |\ufeff|\udcff|<|$(|://",
    ),
    "retry_after": Target(
        retry_after,
        [
            "120",
            "0.5",
            "nan",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            "Fri, 31 Dec 1999 23:59:59 GMT",
            "Tue, 01 Dec 2099 10:00:00 GMT",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ],
        "nan|inf|-|+|e|GMT|0001|9999|:|Dec|+2359|_|\u0663",
        ["9" * 400],
    ),
    "server_sent_events": Target(
        server_sent_events,
        [
            "event: result\nid: 7\nretry: 1500\ndata: {}\ndata: x\n\n: ping\n\ndata: y\n\n",
            "\ufeffdata: x\r\n\r\nevent: a\rdata\r\rid\ndata:  z",
            "id: a\0b\ndata: x\n\n",
            "event: a\ndata: x\nevent: b\ndata: y\n\n",
        ],
        "data|event|id|retry|:|: |\r|\r\n|\n\n|\ufeff|\udcff|\u2028|data: x\n",
    ),
    "vault": Target(
        vault,
        [
            f"200 2\n{json.dumps(_KV2)}",
            f"404 2\n{json.dumps(_DELETED)}",
            f'200 1\n{{"data": {{"api_key": "{MARK}"}}, "warnings": null}}',
            '200 2\n{"auth": {"client_token": "x", "lease_duration": 3600}}',
            '404 1\n{"errors": [], '
            '"warnings": ["Invalid path for a versioned K/V secrets engine"]}',
            "400 2\nClient sent an HTTP request to an HTTPS server.",
            f"503 1\n{'[' * 5_000}",
            f"502 2 30 Tue,_01_Dec_2026_10:00:00_GMT\n<html>{MARK}</html>",
            *(
                f"{status} 2 1\n{json.dumps({'errors': [text, MARK]})}"
                for status, text in zip(
                    (403, 403, 503, 400, 404, 404, 400, 500, 400), _VAULT_ERRORS, strict=True
                )
            ),
        ],
        '200|404|429|503|307|"data": |"metadata": |{|}|[|]|null|true|1e999|"errors": []|'
        '"api_key": |inf|nan|\\ud800',
        [*_VAULT_ERRORS],
    ),
    "aws": Target(
        aws,
        [
            f'whole\n{{"SecretString": "{MARK}", "VersionId": "a1", "ARN": "arn:aws:x:y:1:z"}}',
            f"field\n{json.dumps({'SecretString': json.dumps({'api_key': MARK, 'other': 1})})}",
            f"field\n{json.dumps({'SecretString': json.dumps({'a': {'api_key': MARK}})})}",
            f'whole\n{{"SecretBinary": "{MARK}"}}',
            f"field\n{json.dumps({'SecretString': json.dumps({'api_key': [MARK]})})}",
            f'parameter\n{{"Parameter": {{"Name": "/prod/vs", "Value": "{MARK}", "Version": 3}}}}',
        ],
        'SecretString|SecretBinary|\\"|null|{|}|[|]|\\ufeff|\\ud800|1e999|field|api_key',
        ["9" * 5000],
    ),
    "aws_error": Target(
        aws_error,
        [
            f"400 AccessDeniedException GetSecretValue\n{_DENIED}",
            f"400 InvalidRequestException GetSecretValue\n{_DELETION}",
            f"400 ResourceNotFoundException\nSecrets Manager can't find the secret. {MARK}",
            f"403 SignatureDoesNotMatch\nThe Canonical String was x-amz-security-token:{MARK}",
            "400 AccessDeniedException\nAccess to KMS is not allowed: kms:Decrypt on"
            f" arn:aws:kms:x:1:key/a {MARK}",
            f"400 InvalidClientTokenId AssumeRole\n{MARK}",
            f"503 ServiceUnavailable\n<html>{MARK}</html>",
            f"400 {MARK}\n{MARK}",
        ],
        "User: arn:|on resource: |kms:|explicit deny in a | policy|400|500|429|"
        "marked for deletion|different AWS account|default KMS|\x1b|GetSecretValue|"
        "\u0661",
    ),
    "aws_agent": Target(
        aws_agent,
        [
            f'200 whole\n{{"ARN": "arn:aws:x:eu-central-1:1:secret:z", "SecretString": "{MARK}"}}',
            '200 whole\n{"ARN": "arn:aws:x:\\u001b[2J:1:secret:z", "SecretString": ""}',
            '200 whole\n{"SecretBinary": "dnMta2V5"}',
            f"200 field\n{json.dumps({'SecretString': json.dumps({'api_key': MARK})})}",
            f'200 parameter\n{{"Parameter": {{"Value": "{MARK}", "ARN": "arn:aws:ssm:x:1:z"}}}}',
            f"400 whole\n{json.dumps(_WRONG)} {MARK}",
            f"400 whole\nfailed: ResourceNotFoundException: {MARK}",
            "400 whole\nnot ready to serve traffic, please wait",
            f"403 whole\nBad Token {MARK}",
            f"500 whole\n{MARK}",
        ],
        '200|400|403|500|503|"__type": "|SecretBinary|AccessDeniedException: |ARN|{|}|[|'
        "\udcff|parameter|refreshnow",
    ),
    "settings": Target(
        settings,
        [
            f"VECTORSHIFT_API_KEY={MARK}\nVECTORSHIFT_TIMEOUT=30\nVECTORSHIFT_APIKEY={MARK}",
            f"VECTORSHIFT_VAULT_PATH=a/b\nVAULT_ADDR=https://v:8200\nVAULT_TOKEN={MARK}\nBAO_TOKEN=other",
            f"VECTORSHIFT_VAULT_PATH=a\nVECTORSHIFT_VAULT_SECRET_ID={MARK}\nVECTORSHIFT_VAULT_AUTH=approle",
            f"VECTORSHIFT_AWS_SECRET_ID=prod/vs\nVECTORSHIFT_AWS_ENDPOINT_URL=https://u:{MARK}@x",
            f"VECTORSHIFT_PROVIDERS=env, vault\nVECTORSHIFT_BASE_URL=https://{MARK}@api.example/v1",
            f"VECTORSHIFT_ACME_TOKEN={MARK}\nVECTORSHIFT_PROVIDERS=acme",
            *(f"{name}={MARK}\n{name}" for name in [*_NAMES, *_VAULT_NAMES] if name not in _SHOWN),
        ],
        "=|1|true|nan|-1|1e999|https://|[|{|\n|@|env",
        [*_NAMES, *_VAULT_NAMES, MARK],
    ),
    "no_proxy": Target(
        no_proxy,
        [
            "https api.corp.example 443\ncorp.example, .other.example",
            "https api.corp.example 8443\nhttps://api.corp.example:8443 *.x",
            "https 10.1.2.3\n10.0.0.0/8",
            "https 10.1.2.3.\n10.0.0.0/8",
            "https fd00::2 443\n[fd00::2]:443,fd00::/8",
            f"https 10.1.2.3\n{':' * 300}[",
            "http localhost\n*",
            "https corp.example\norp.example",
            "https 10.1.2.3\n10.1.2.3/8",
            "https ::ffff:10.1.2.3\n10.0.0.0/8",
            "https fe80::1%eth0\nfe80::1%eth0",
        ],
        ".|*|,|:|/|[|]|::|%|corp.example|10.|0/0|https://|all://|:443|\u0661|-",
    ),
    "plugins": Target(
        plugins,
        [
            "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n\n---\n"
            f"[{GROUP}]\nacme-kv = acme.kv:Provider\n",
            "Name: acme\nVersion: 1\n\n---\n[console_scripts]\nx = a:b\n\n"
            f"[{GROUP}]\nenv = a:b [extra]\nA.B_c=x.y\nA.B_c=x.z\n",
            f"Name: a\x1b[2J\n c\nVersion: 1\n\n---\n[{GROUP}]\na = b:c\n",
            f"\n---\n[{GROUP}]\n# a\nacme = \x1b[31m:Provider\n",
        ],
        " = |:|[|]|\n|Name: |Version: |\x1b[2J|\x85|\udcff|#|env| |\u202e",
        [f"[{GROUP}]"],
    ),
    "error_body": Target(
        error_body,
        [
            f'401\n{{"error": "Invalid key {ECHO[1]}"}}',
            f'422\n{{"detail": [{{"loc": ["body"], "input": "{ECHO[2]}"}}]}}',
            f'400\n{{"errors": {{"message": "{ECHO[0]}"}}}}',
            f"502\n<html><body>{ECHO[5]}{ECHO[6]}{ECHO[7]}</body></html>",
            f"404\n/v1/x?key={ECHO[3]}&b={ECHO[4]}",
            f"500\nTraceback: {ECHO[9]}\n{ECHO[8]}{ECHO[10]}",
        ],
        '"message": |{|}|[|\\"|\\|\\u00|%|&#|\x1b|\ud800|\x00',
        [*ECHO, *ECHO],
    ),
}


def prepare() -> None:
    """Make the folders that some targets write to."""
    for name in ("empty", "site/acme-1.0.dist-info"):
        (_FOLDER / name).mkdir(parents=True, exist_ok=True)
    atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)


prepare()
