"""One field of a JSON text in a store is changed, and no other character."""

from __future__ import annotations

import json

import pytest

from vectorshift import Secret
from vectorshift.rotation.aws import with_key


@pytest.mark.parametrize(
    ("text", "field", "changed"),
    [
        ('{"k":"old"}', "k", '{"k":"new"}'),
        (' { "b" : 1.10, "k" : "old" }\n', "k", ' { "b" : 1.10, "k" : "new" }\n'),
        ('{"a":"old","k":"old"}', "k", '{"a":"old","k":"new"}'),
        ('{"old":"x","k":"old"}', "k", '{"old":"x","k":"new"}'),
        ('{"k":"first","k":"old"}', "k", '{"k":"first","k":"new"}'),
        ('{"a":{"k":"old"}}', "a.k", '{"a":{"k":"new"}}'),
        ('{"a.k":"old","a":{"k":"x"}}', "a.k", '{"a.k":"new","a":{"k":"x"}}'),
        ('{"k":"\\u006fld"}', "k", '{"k":"new"}'),
        ('\ufeff{"k":" old "}', "k", '\ufeff{"k":"new"}'),
        (" old\n", None, " new\n"),
    ],
)
def test_only_the_field_is_changed(text: str, field: str | None, changed: str) -> None:
    assert with_key(Secret(text), field, Secret("old"), Secret("new")) == Secret(changed)


def test_a_new_key_is_escaped() -> None:
    new = 'n"e\\w'
    changed = with_key(Secret('{"k":"old"}'), "k", Secret("old"), Secret(new))
    assert changed is not None
    assert json.loads(changed.reveal()) == {"k": new}


def test_a_text_without_the_old_key_is_left_alone() -> None:
    assert with_key(Secret('{"k":"other"}'), "k", Secret("old"), Secret("new")) is None
    assert with_key(Secret("other"), None, Secret("old"), Secret("new")) is None
