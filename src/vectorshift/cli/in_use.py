"""`auth in-use`: which processes still use a key, by their metrics for Prometheus."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone
from difflib import get_close_matches
from http.client import HTTPException, IncompleteRead
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vectorshift.cli.exits import Exit
from vectorshift.cli.screen import complain, show
from vectorshift.credentials.usage import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["show_in_use"]

_LARGEST: Final = 64 << 20
_TIMEOUT: Final = 30.0
_MINUTES: Final = 5
_NAMED: Final = 5
"""How many processes or keys a message names."""
_ALIKE: Final = 0.75
"""A fingerprint with at least this share of equal characters may be the one that was meant."""
_SAMPLE: Final = re.compile(
    r"vectorshift_credential_in_use(?:\{(.*)\})? +(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)( +-?\d+)?"
)
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_FINGERPRINT: Final = re.compile("#?[0-9a-f]{8}")


def show_in_use(fingerprint: str, urls: Sequence[str], as_json: bool) -> Exit:
    """Read metrics and print how many processes use the key; return 0 if none that reported does.

    Args:
        fingerprint: the fingerprint of the key, with or without its `#`.
        urls: addresses of metrics in Prometheus's text format: of processes, or the `/federate` of
            a Prometheus.
        as_json: whether to print JSON.
    """
    if not _FINGERPRINT.fullmatch(fingerprint):
        complain(
            "A fingerprint has 8 hex digits, such as '#1a2b3c4d'. Your input is not repeated here:"
            " it may be a key."
        )
        return Exit.USAGE
    reported: set[str] = set()
    users: dict[str, set[str]] = {}  # the processes that use each reported key
    silent: list[str] = []
    for number, url in enumerate(dict.fromkeys(urls), 1):
        text = _fetched(url)
        if text is None:
            return Exit.SOURCE_FAILED
        samples, place = [*_samples(text)], _place_of(url) or ""
        silent += [] if samples else [place]
        for labels, value in samples:
            instance, job = labels.get("instance", ""), labels.get("job", "")
            # an address's query may hold a password
            unlabelled = place if "?" not in url else f"{place} (address {number})"
            labelled = " ".join(filter(None, (job, instance, "at", place)))
            process = labelled if job or instance else unlabelled
            reported.add(process)
            using = users.setdefault(labels.get("vectorshift_credential_fingerprint", OTHER), set())
            if value > 0:
                using.add(process)
    facts = _facts(f"#{fingerprint.removeprefix('#')}", reported, users, silent)
    in_use = ", ".join(f"{key} by {number}" for key, number in facts["in_use"].items())
    show(as_json, facts, lambda: print(facts["message"]), {**facts, "in_use": in_use})
    if facts["using"]:
        return Exit.REFUSED
    return Exit.GOOD if facts["since"] else Exit.UNKNOWN


def _facts(
    fingerprint: str, reported: set[str], users: dict[str, set[str]], silent: list[str]
) -> dict[str, Any]:
    """Return a message, numbers and names about the processes that use a key."""
    using = users.get(fingerprint, set())
    unnamed = users.get(OTHER, set()) - using
    in_use = {key: len(users[key]) for key in sorted({*users} - {OTHER}) if users[key]}
    known = fingerprint in users
    alike = [] if known else get_close_matches(fingerprint, users, n=1, cutoff=_ALIKE)
    keys = [f"{key} by {number}" for key, number in in_use.items()]
    now = f" In use now: {_first(keys)}." if keys else ""
    gone = "" if known else f" {fingerprint} was used more than 10 minutes ago, or is mistyped."
    since = None
    if not reported:
        message = "No process reported: none of these addresses has the metric in_use."
    elif using:
        message = f"{len(using)} of {len(reported)} processes that reported use {fingerprint}:"
        message = f"{message} {_first(sorted(using))}."
    elif unnamed:
        message = (
            f"{len(unnamed)} of {len(reported)} processes that reported use more keys than they"
            f" name, and perhaps {fingerprint}."
        )
    elif alike:
        message = f"No process reported {fingerprint}, but one reported {alike[0]}. Is it mistyped?"
    elif silent:
        message = (
            f"No metric in_use at {', '.join(silent)}, so nobody knows of that process. "
            f"{len(reported)} reported, and none of them used {fingerprint}."
        )
    else:
        moment = datetime.now(timezone.utc) - timedelta(minutes=_MINUTES)
        since = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
        message = (
            f"No instrumented process used {fingerprint} since {since}; {len(reported)} reported."
            f"{now}{gone} Processes that report nothing are not counted."
        )
    return {
        "message": message,
        "fingerprint": fingerprint,
        "reported": len(reported),
        "using": len(using),
        "unnamed": len(unnamed),  # others that used more keys than they report by name
        "since": since,
        "processes": tuple(sorted(using)),
        "in_use": in_use,
        "silent": tuple(silent),
    }


def _first(texts: Sequence[str]) -> str:
    """Return the first few texts, and how many more there are."""
    more = len(texts) - _NAMED
    return ", ".join(texts[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _fetched(url: str) -> str | None:
    """Return the text at an address. If that fails, print why and return None."""
    where = _place_of(url)
    if where is None:
        complain(
            "An address of metrics must begin with http:// or https:// and a host, without a "
            "password or spaces."
        )
        return None
    content, end = bytearray(), time.monotonic() + _TIMEOUT
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310  # see above
            while len(content) <= _LARGEST and (part := answer.read1(1 << 20)):
                content += part
                if time.monotonic() > end:
                    raise TimeoutError
            if len(content) <= _LARGEST and answer.length:  # an incomplete answer lacks processes
                raise IncompleteRead(b"")
    # an HTTPError is an OSError; a host name that is too long raises UnicodeError
    except (OSError, HTTPException, UnicodeError) as error:
        status = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else "no answer"
        complain(f"{where} cannot be read: {status}.")
        return None
    if len(content) > _LARGEST:
        complain(f"{where} is larger than 64 MiB. Ask for one metric: ?match[]=...")
        return None
    return content.decode("utf-8", "replace")


def _place_of(url: str) -> str | None:
    """Return an address without its query, or None if it is not an address."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    if not has_host or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return None
    return f"{parts.scheme}://{parts.netloc}{parts.path}" if re.fullmatch("[!-~]+", url) else None


def _samples(text: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield the labels and the value of each sample of the gauge."""
    for line in text.split("\n"):  # a label may hold a line break of Unicode
        found = _SAMPLE.fullmatch(line.strip())
        if found:
            yield dict(_LABEL.findall(found[1] or "")), float(found[2])
