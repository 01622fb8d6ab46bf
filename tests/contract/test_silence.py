"""What the kit looks through for a key, beyond what a provider of an author's can get wrong."""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING

from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.output import everything_told
from vectorshift.testing.contract.probe import Probe
from vectorshift.testing.contract.silence import _all_of

if TYPE_CHECKING:
    import pytest

KEY = "vs-Xq7fL0nevertobeseen"


def raised(*, behind: bool = False) -> Exception:
    def holds_a_key() -> None:
        text = KEY
        raise ValueError(len(text))

    try:
        try:
            holds_a_key()
        except ValueError:
            if not behind:
                raise
            raise RuntimeError("without a key") from None
    except Exception as error:
        return error
    raise AssertionError


def test_locals_of_each_frame_are_looked_through() -> None:
    assert KEY in "".join(_all_of(raised(), frames=True))
    assert KEY not in "".join(_all_of(raised(), frames=False))


def test_an_error_that_is_kept_from_printing_is_looked_through_all_the_same() -> None:
    assert KEY in "".join(_all_of(raised(behind=True), frames=True))


def test_loggers_that_are_quiet_disabled_or_do_not_propagate_are_heard_and_left_as_they_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    quiet, off, apart = (logging.getLogger(f"kit.{name}") for name in ("quiet", "off", "apart"))
    quiet.setLevel(logging.ERROR)
    off.disabled, apart.propagate = True, False
    logging.disable(logging.CRITICAL)
    try:
        with everything_told() as told:
            for logger in (quiet, off, apart):
                logger.debug("said by %s", logger.name)
        assert [line.partition(":")[0] for line in told()] == ["kit.quiet", "kit.off", "kit.apart"]
        assert (quiet.level, off.disabled, apart.handlers) == (logging.ERROR, True, [])
        assert logging.root.manager.disable == logging.CRITICAL
        assert caplog.messages == []
    finally:
        logging.disable(logging.NOTSET)


def test_a_part_of_a_key_its_base64_and_its_reverse_are_noticed() -> None:
    probe = Probe(SourceHooks())
    key = probe.new_key()
    for form in (key, key[5:13], base64.b64encode(key.encode()).decode(), key[::-1]):
        shown = probe.shown_in(f"it says {form} here")
        assert shown is not None
        assert form not in shown
        assert shown.startswith("it says <")
    assert probe.shown_in(f"it says {key[:6]} here") is None
