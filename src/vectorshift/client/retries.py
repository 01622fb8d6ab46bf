"""How long a call waits before it is sent again: tenacity's backoff within the limits of the call.

tenacity is imported with this module, after the first failure. It does not wait itself, so sync and
async code share it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tenacity import RetryCallState, Retrying, wait_exponential, wait_random_exponential

from vectorshift._platform.log import log_seldom
from vectorshift.errors import VectorshiftApiError

if TYPE_CHECKING:
    from vectorshift.client.engine import CallState
    from vectorshift.transport.failures import AttemptFailure

__all__ = ["LONGEST_RETRY_AFTER", "pause"]

LONGEST_RETRY_AFTER = 120.0

_retrying = Retrying()
_backoff = wait_exponential(multiplier=0.25, max=4.0) + wait_random_exponential(
    multiplier=0.25, max=4.0
)
"""Half fixed, half random: up to 0.5 s, doubling up to 8 s."""


def pause(call_state: CallState, failure: AttemptFailure) -> float | None:
    """Return how many seconds to wait after this failure, or None if that would be too long.

    If the server asks for a longer wait, an attempt after a shorter one would fail.
    """
    attempt = RetryCallState(_retrying, None, (), {})
    attempt.attempt_number = call_state.tries
    error = failure.error
    asked_for = (error.retry_after or 0.0) if isinstance(error, VectorshiftApiError) else 0.0
    seconds = max(_backoff(attempt), asked_for, call_state.call.min_pause)
    if asked_for > LONGEST_RETRY_AFTER or seconds >= call_state.context.left():
        return None
    if isinstance(error, VectorshiftApiError):
        reason = f"{error.label} ({error.status_code})"
    else:
        reason = type(error.__cause__ or error).__name__
    log_seldom(
        logging.INFO,
        "retry",
        call_state.call.path,
        "%s %s is sent again in %.1f s (attempt %d of %d): %s",
        call_state.call.method,
        call_state.call.path,
        seconds,
        call_state.tries + 1,
        call_state.setup.max_retries + 1,
        reason,
    )
    return seconds
