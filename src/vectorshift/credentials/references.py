"""Texts in place of a key: references that were not resolved, and placeholders.

A text is rejected only if the *whole* text has such a form. A part proves nothing, because a key
may contain any visible character. No hint quotes the form: it would repeat the text itself.
"""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

__all__ = ["oddity", "unresolved"]

_ITSELF: Final = "Give the key itself."
_VARIABLE: Final = f"it refers to a variable that was not replaced by its value. {_ITSELF}"
_TEMPLATE: Final = f"it is a template that was not filled in. {_ITSELF}"
_COMMAND: Final = f"it is a shell command that no shell ran. {_ITSELF}"
_OUR_NAME: Final = "(VECTORSHIFT_(API_?)?(KEY|TOKEN)(_FILE)?|vectorshift_api_key)"

_FORMS: Final = (
    (
        "op://.+",
        "it is an unresolved reference to an item in 1Password. Start the program with 'op"
        " run --', or give the key itself.",
    ),
    (
        "file:/.*",
        "it is the address of a file, not the key in it. Name the file with"
        " VECTORSHIFT_API_KEY_FILE, or give the key itself.",
    ),
    (
        r"(ref\+)?\w*(vault|bao)://.*|(>>)?vault:(?=[^#]*/)[^#]+#.+",
        "it is a reference to a secret in Vault, not the secret. Name the secret with"
        " VECTORSHIFT_VAULT_PATH, or give the key itself.",
    ),
    (
        r"(ref\+)?aws\w*://.*|arn:aws[a-z-]*:secretsmanager:.*",
        "it is a reference to a secret in AWS, not the secret. Name the secret with"
        " VECTORSHIFT_AWS_SECRET_ID, or give the key itself.",
    ),
    (
        "arn:aws[a-z-]*:[a-z0-9-]*:.*",
        f"it is the ARN of a resource in AWS, not a key. {_ITSELF}",
    ),
    (
        r"[A-Za-z][A-Za-z0-9+.-]+://.+",
        f"it is a URL or an unresolved reference. {_ITSELF}",
    ),
    (
        "projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?",
        f"it is the name of a secret in Google Cloud, not the secret. {_ITSELF}",
    ),
    (
        r"@Microsoft\.\w+\(.*\)",
        f"it is an Azure reference that was not resolved. {_ITSELF}",
    ),
    (
        r"-----BEGIN .*",
        "it is a certificate, a private key or an encrypted text in PEM, not an API key.",
    ),
    (
        r"""\{["']?[\w-]+["']?\s*:.*\}""",
        "it is JSON without its double quotation marks, which a shell may have removed. Write it"
        " again from a file, or give the key alone.",
    ),
    (
        "version https://git-lfs.*",
        "it is a pointer of Git LFS in place of the file. Run 'git lfs pull'.",
    ),
    (
        r"(?i:<(!doctype|html)\b).*",
        "it is a page of HTML, perhaps of a login or an error, not an API key.",
    ),
    (
        """b'[^']*'|b"[^"]*\"""",
        "it is how Python prints bytes. Decode them first, or give what is between the quotation"
        " marks.",
    ),
    (
        r"Secret(Str|Bytes)\(b?'\**'\)|\*{10}",
        "it is what a SecretStr of pydantic prints. Give its get_secret_value().",
    ),
    (
        r"\$ANSIBLE_VAULT;.*|age-encryption\.org/.*|ENC\[.*\]|encrypted:[A-Za-z0-9+/=_-]{32,}|vault:v[0-9]+:[A-Za-z0-9+/=]+",
        f"it is encrypted. {_ITSELF}",
    ),
    (
        r"\$\$?[A-Z_][A-Z0-9_]*|\$env:\w+|%%?[A-Za-z_]\w*%?%|![A-Z_][A-Z0-9_]*!|%\(\w+\)s"
        r"|\$\([A-Z_][A-Z0-9_]*\)|\$\[\w+(\.\w+)*\]",
        _VARIABLE,
    ),
    (r"\{[A-Za-z_][\w.]*\}", _TEMPLATE),
    (r"`.*\s.*`", _COMMAND),
    (
        r"(Secret\()?'?#[0-9a-f]{8}'?\)?",
        "it is the fingerprint that a Secret prints, not the key. Give the Secret itself, or"
        " its reveal().",
    ),
    (
        rf"""([A-Za-z-]+\s+)*["']?(\$env:)?{_OUR_NAME}["']?\s*[=:].*|vectorshift\.api_key\s*=.*""",
        "it is a line that sets the key, not the key alone. Give the value after the name.",
    ),
    (
        rf"""([\w.]+[.:\[(]["']?)?{_OUR_NAME}["']?[\])]?""",
        f"it is the name of a variable, not its value. {_ITSELF}",
    ),
)
_BRACKETS: Final = (
    ("${{", "}}", f"it is an expression of a workflow that was not evaluated. {_ITSELF}"),
    ("{{", "}}", _TEMPLATE),
    ("{%", "%}", _TEMPLATE),
    ("${", "}", _VARIABLE),
    ("#{", "}", _VARIABLE),
    ("%{", "}", _VARIABLE),
    ("$${", "}", _VARIABLE),
    ("((", "))", _TEMPLATE),
    ("$(", ")", _COMMAND),
    ("<", ">", f"it is a placeholder in angle brackets. {_ITSELF}"),
)

_PAIRS: Final = {"}": "{", ")": "(", ">": "<"}


def unresolved(text: str) -> str | None:
    """Return what `text` is instead of a key, and what to do; None if it may be a key.

    The result does not repeat the text.
    """
    if text.replace("-", "").isalnum():  # like most keys, and like none of the forms
        return None
    for form, hint in _FORMS:
        if re.fullmatch(form, text, re.DOTALL):
            return hint
    for opening, closing, hint in _BRACKETS:
        if _encloses(opening, text, closing):
            return hint
    return None


def _encloses(opening: str, text: str, closing: str) -> bool:
    """Return whether the bracket that begins `text` is closed at its end, and not before."""
    opens, closes = _PAIRS[closing[-1]], closing[-1]
    depths = accumulate((each == opens) - (each == closes) for each in text)
    ends = (at for at, depth in enumerate(depths) if depth == 0 and at >= len(opening))
    return text.startswith(opening) and text.endswith(closing) and next(ends, None) == len(text) - 1


_WORDS: Final = (
    "your|change[-_]?me|replace([-_]?me)?|placeholder|example|insert|todo|fixme|dummy|redacted"
    "|api[-_]?key"
)
_ODD: Final = (
    (
        r".*(\\[nr]|%0[AaDd])",
        "It ends with an escaped line break, which is part of the key here.",
    ),
    (
        r"(?i:bearer).+",
        "It begins with the word that comes before a key in a header.",
    ),
    (
        r"sk-(ant|proj)-.+|(gh[opsu]|github_pat)_.+|hvs\..+|AKIA[A-Z0-9]{16}|xox[abp]-.+|AIza.{35}",
        "It begins like a key of another service.",
    ),
    (
        r"--[a-z].*",
        "It begins like an option of a command line.",
    ),
    (
        r"(?i:null|none|nil|undefined|nan|true|false|bearer)",
        "It is a word that programs write for a missing value.",
    ),
    (
        rf"(.)\1\1+|.*(\.\.\.|\*\*\*|(?i:xxxx)).*|\[.*\]|(?i:(.*[-_.])?({_WORDS})([-_.].*)?)"
        "|__[A-Z_]+__|@[A-Z_]+@",
        "It looks like a placeholder or a partly hidden key.",
    ),
    (
        r"@?(~|\.{1,2})?/[\w.-]+(/[\w.-]+)+|~/.*|\.{1,2}/.*|[A-Za-z]:[\\/].*|\S+\.(key|txt|env)",
        "It looks like the name of a file. VECTORSHIFT_API_KEY_FILE takes that.",
    ),
    (
        r".*(\$\{|\$\(|\{\{|\}\}|://|<[^<>]+>|%[A-Za-z_]\w*%).*|\$\w+",
        "Part of it looks like an unresolved reference.",
    ),
    (
        r"[A-Za-z][\w-]*:.+",
        "It begins with a word and a colon, like the address of a stored key.",
    ),
    (
        r"[A-Za-z_]\w*=[^=].*",
        "It looks like a name and a value in one.",
    ),
    (
        r"""["'`=].*|.*["'`;,\\]""",
        "It begins or ends with a quotation mark or another character that is unlikely in a key.",
    ),
)


def oddity(text: str) -> str:
    """Return a sentence about a text that may be a key but does not look like one; else "".

    The sentence does not repeat the text.
    """
    return next((each for form, each in _ODD if re.fullmatch(form, text, re.DOTALL)), "")
