"""None is no file: a look-up that failed must not reach the key of a default place."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from vectorshift.providers import DotenvProvider, EnvProvider, LoginProvider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NONE: Any = None


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: EnvProvider(NONE), "variable"),
        (lambda: EnvProvider(file=NONE), "file"),
        (lambda: DotenvProvider(NONE), "path"),
        (lambda: LoginProvider(NONE), "path"),
    ],
)
def test_none_in_place_of_a_name_is_a_type_error(make: Callable[[], object], name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a string.*, not None"):
        make()


def test_a_file_that_is_left_out_stays_so_in_a_pickle(tmp_path: Path) -> None:
    for provider in (EnvProvider(), EnvProvider(file=tmp_path / "key")):
        again = pickle.loads(pickle.dumps(provider))
        assert again.describe() == provider.describe()
