from __future__ import annotations

import html
import json
import re
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from vectorshift import Secret
from vectorshift.credentials.redact import redact, without_part

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "vs-3f9c2e71d8'b"


@pytest.mark.parametrize("key", ["a", "#", "0", "ab", "\\", "\\d", "."])
def test_a_short_key_is_masked_once(key: str) -> None:
    text = "a broken table #0.\\d"
    assert redact(text, [Secret(key)]) == text.replace(key, Secret(key).fingerprint)


@pytest.mark.parametrize("key", [KEY, 'a"b', "a\\b", "a\\\\'b", "/a/", "\\", "a\\", '\\\\"', "a%b"])
def test_a_key_is_masked_as_python_json_and_urls_write_it(key: str) -> None:
    texts = [
        key,
        repr([key]),
        repr(key.encode()),
        repr(bytearray(key.encode())),
        json.dumps(key),
        json.dumps(json.dumps(json.dumps(key))),
        json.dumps(key).replace("/", r"\/"),
        quote(key, safe=""),
    ]
    for text in texts:
        assert Secret(key).fingerprint in redact(text, [Secret(key)])


def test_looking_for_a_key_takes_time_in_line_with_the_text() -> None:
    assert redact("\\" * 1_000_000, [Secret("\\'\\\\\"x")]) == "\\" * 1_000_000


@pytest.mark.parametrize("pair", ['\\"', "\\/", "\\a"])
def test_a_key_of_many_backslashes_takes_no_longer(pair: str) -> None:
    """Each backslash might belong to the one of the key or to what escapes the next character."""
    key, escaped = pair * 10 + "x", "\\" * 4 + (pair[1] if pair[1] in '"/' else "u0061")
    began = time.process_time()
    assert redact(escaped * 10 + "y", [Secret(key)]) == escaped * 10 + "y"
    assert time.process_time() - began < 1
    assert redact(json.dumps(json.dumps(key)), [Secret(key)]) == f'"\\"{Secret(key)}\\""'


def test_of_two_keys_the_longer_is_masked_first() -> None:
    old, new = Secret("vs-abc"), Secret("vs-abc-2")
    for secrets in ([old, new], [new, old]):
        assert redact("vs-abc-2, vs-abc", secrets) == f"{new.fingerprint}, {old.fingerprint}"


def _unicode(key: str) -> str:
    return "".join(f"\\u{ord(each):04X}" for each in key)


@pytest.mark.parametrize(
    "escape",
    [
        _unicode,
        lambda key: _unicode(key).lower(),
        lambda key: key.replace("&", r"\u0026").replace("+", r"\u002B"),
        lambda key: re.sub("%..", lambda found: found[0].lower(), quote(key)),
        lambda key: "".join(f"%{ord(each):02x}" for each in key),
        html.escape,
        lambda key: "".join(f"&#{ord(each)};" for each in key),
        lambda key: "".join(f"&#x{ord(each):02X};" for each in key),
    ],
    ids=[
        "JSON",
        "lower-case JSON",
        "some in JSON",
        "some in a URL",
        "URL",
        "HTML",
        "decimal HTML",
        "hexadecimal HTML",
    ],
)
@pytest.mark.parametrize("key", ["vs-a+b&c<d>e'f/g=h%2Bz~01", "a\\b", "\\", "\\u", "vs-plain"])
def test_a_key_is_masked_whoever_escaped_it(key: str, escape: Callable[[str], str]) -> None:
    """Go escapes `&<>` in JSON as `\\u0026`, .NET `+` as `\\u002B`."""
    clean = Secret(key).fingerprint
    assert redact(f"it was {escape(key)}.", [Secret(key)]) == f"it was {clean}."
    assert redact(json.dumps({"error": escape(key)}), [Secret(key)]) == json.dumps({"error": clean})


@pytest.mark.parametrize("key", ["vs-x", "?x"])
def test_a_backslash_before_a_key_is_no_part_of_it(key: str) -> None:
    assert redact(f"C:\\{key}", [Secret(key)]) == f"C:\\{Secret(key)}"


# --- A text that was cut off ---


@pytest.mark.parametrize("before", ["", "it was "])
@pytest.mark.parametrize(
    ("key", "part"),
    [
        (KEY, KEY[:4]),
        (KEY, KEY[:-1]),
        (KEY, f"{quote(KEY)[:-2]}"),
        (KEY, KEY[:4] + "&#5"),
        (KEY, "".join(f"&#x00{ord(each):x};" for each in KEY[:-1])),
        ("vs\\\\x-\\y-z", "vs\\\\x-\\y"),
        ("vs\\\\x-\\y-z", json.dumps("vs\\\\x-\\y")[1:-1]),
        (KEY, KEY[:4] + " here"),
    ],
    ids=["4 characters", "all but 1", "URL", "cut escape", "HTML", "backslashes", "JSON", "near"],
)
def test_the_beginning_of_a_key_is_cut_off_the_end(before: str, key: str, part: str) -> None:
    assert without_part(before + part, [Secret(key)]) == before


@pytest.mark.parametrize(
    "text",
    ["it was vs-", KEY[4:10], "at 100%", "C:\\", f"it was {KEY[:4]} {'far ' * 9 * len(KEY)}"],
    ids=["3 characters", "the middle", "percent", "backslash", "far from the end"],
)
def test_an_end_without_the_beginning_of_a_key_stays(text: str) -> None:
    assert without_part(text, [Secret(KEY)]) == text
