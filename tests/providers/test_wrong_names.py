"""What is given in code as the name of a variable or of a file, and is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift import DotenvProvider, EnvProvider, LoginProvider

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "vs-Zk3jd82hskLmQpWx91"


@pytest.mark.parametrize(
    "name", ["", " ", "A=B", "$VS_KEY", "VS_KEY\n", "VS KEY", "a\0b", "1KEY", KEY]
)
def test_what_cannot_be_the_name_of_a_variable_is_refused_at_once(
    name: str, shown: Callable[[BaseException], str]
) -> None:
    """It would be a variable that is not set, and the next source would answer."""
    with pytest.raises(ValueError, match="name of an environment variable") as caught:
        EnvProvider(name)
    assert KEY not in shown(caught.value)


@pytest.mark.parametrize("name", [None, 1, b"VS_KEY"])
def test_a_name_of_a_variable_is_a_string(name: Any) -> None:
    with pytest.raises(TypeError, match="variable must be a string"):
        EnvProvider(name)


def test_a_name_with_other_characters_counts_if_the_variable_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("acme-co.KEY", KEY)
    assert EnvProvider("acme-co.KEY").get_credential().secret.reveal() == KEY
    assert EnvProvider("M\u00dcLLER_KEY").variable == "M\u00dcLLER_KEY"


@pytest.mark.parametrize(
    "make", [DotenvProvider, LoginProvider, lambda name: EnvProvider("VS_KEY", file=name)]
)
def test_a_key_in_place_of_a_file_is_refused_and_not_shown(
    make: Callable[[Any], Any], tmp_path: Path, shown: Callable[[BaseException], str]
) -> None:
    with pytest.raises(ValueError, match="name of a file") as caught:
        make(KEY)
    assert KEY not in shown(caught.value)
    assert KEY not in repr(make(tmp_path / "key").describe())
    for name in ("key.txt", "./" + KEY, Path("any name")):
        assert make(name)
