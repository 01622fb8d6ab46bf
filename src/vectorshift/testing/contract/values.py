"""Tests of malformed values: none of them gets into a header."""

from __future__ import annotations

import pytest

from vectorshift.errors import CredentialConfigurationError, CredentialNotFoundError
from vectorshift.testing.contract.hooks import SourceHooks
from vectorshift.testing.contract.probe import Probe, has_key, named

__all__ = ["ValueTests"]

_NO_KEYS = {
    "a line break": "{key}\nX-Other: 1",
    "a JSON document": '{{"api_key": "{key}"}}',
    "a space": "{key} {key}",
    "nothing but space": "   ",
}


class ValueTests(SourceHooks):
    """Header-safe values."""

    def test_white_space_around_a_key_is_taken_away(self, probe: Probe) -> None:
        """Editors and `echo` leave a line break behind."""
        probe.put()
        probe.found(probe.provider())
        key = probe.new_key()
        self.rotate(f"  {key}\n")
        probe.gives(
            probe.provider(),
            lambda answer: has_key(answer, key),
            expected="the key without the white space around it.",
            mend="Return the stored text unchanged: vectorshift strips and checks it.",
        )

    @pytest.mark.parametrize("flaw", list(_NO_KEYS))
    def test_a_value_that_is_no_key_is_refused_without_showing_it(
        self, probe: Probe, flaw: str
    ) -> None:
        """The refusal is a configuration error that names the source."""
        probe.put()
        probe.found(probe.provider())
        self.put(_NO_KEYS[flaw].format(key=probe.new_key()))
        answer = probe.ask(probe.provider())
        blank = not _NO_KEYS[flaw].strip()  # may count as empty
        if not isinstance(answer, CredentialConfigurationError | CredentialNotFoundError) or (
            isinstance(answer, CredentialNotFoundError) and not blank
        ):
            probe.fault(
                expected=f"CredentialConfigurationError for a value with {flaw}.",
                happened=f"{named(answer)}.",
                mend=(
                    "Return the stored text, which vectorshift checks, or raise "
                    "CredentialConfigurationError."
                ),
            )
        probe.check(
            probe.shown_in(f"{answer.message} {answer.args} {vars(answer)}", answer.source or ""),
            expected="an error that does not show the value.",
            mend="Name the source and what is wrong, never the value.",
        )
        if (
            isinstance(answer, CredentialConfigurationError)
            and (answer.source or "?") not in answer.message
        ):
            probe.fault(
                expected=f"a message that names the source {answer.source}.",
                happened=f"{named(answer)}.",
                mend="Name the source in the message: users see only that.",
            )
