"""When a call is sent again: tenacity's backoff and book-keeping around the rules of this package.

A first attempt does not come here, and tenacity is imported after the first failure. Its state
machine is asked for each pause and does no waiting itself, so sync and async share it, and no
exception passes through it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenacity import DoSleep, RetryCallState, Retrying, wait_exponential, wait_random_exponential

from vectorshift.credentials.events import log
from vectorshift.errors import VectorshiftApiError
from vectorshift.transport.failures import AttemptFailure

if TYPE_CHECKING:
    from vectorshift.client.engine import CallState

__all__ = ["LONGEST_RETRY_AFTER", "Retries"]

LONGEST_RETRY_AFTER = 120.0

_backoff = wait_exponential(multiplier=0.25, max=4.0) + wait_random_exponential(
    multiplier=0.25, max=4.0
)
"""Half of it certain, half of it by chance: up to 0.5 s, doubling up to 8 s."""


class Retries:
    """The pauses between the attempts of one call. Not thread-safe, as a call belongs to one thread
    or task.

    Args:
        exchange: the call, how often it was sent, and when it has to be over.
    """

    def __init__(self, call_state: CallState) -> None:
        self._call_state = call_state
        self._machine = Retrying(
            retry=self._is_wanted,
            wait=self._pause,
            stop=self._is_over,
            before_sleep=self._announce,
            retry_error_callback=lambda state: None,
        )
        self._machine.begin()
        self._state = RetryCallState(self._machine, None, (), {})

    def pause(self, outcome: object) -> float | None:
        """Return how many seconds to wait before the next attempt, or None if this outcome is the
        last one.
        """
        self._state.set_result(outcome)
        step = self._machine.iter(self._state)
        if not isinstance(step, DoSleep):
            return None
        self._state.prepare_for_next_attempt()
        return float(step)

    def _is_wanted(self, state: RetryCallState) -> bool:
        outcome = _outcome(state)
        return isinstance(outcome, AttemptFailure) and self._call_state.may_follow(outcome)

    def _pause(self, state: RetryCallState) -> float:
        return max(_backoff(state), _asked_for(state))

    def _is_over(self, state: RetryCallState) -> bool:
        """Whether the server asks for more patience than there is: a wait that is cut short would
        be for nothing.
        """
        return (
            _asked_for(state) > LONGEST_RETRY_AFTER
            or state.upcoming_sleep >= self._call_state.left()
        )

    def _announce(self, state: RetryCallState) -> None:
        call, outcome = self._call_state.call, _outcome(state)
        assert isinstance(outcome, AttemptFailure)
        log.info(
            "%s %s is sent again in %.1f s (attempt %d of %d): %s",
            call.method,
            call.path,
            state.upcoming_sleep,
            self._call_state.tries + 1,
            self._call_state.max_retries + 1,
            _reason(outcome),
        )


def _outcome(state: RetryCallState) -> object:
    assert state.outcome is not None
    return state.outcome.result()


def _asked_for(state: RetryCallState) -> float:
    outcome = _outcome(state)
    error = outcome.error if isinstance(outcome, AttemptFailure) else None
    return (error.retry_after or 0.0) if isinstance(error, VectorshiftApiError) else 0.0


def _reason(outcome: AttemptFailure) -> str:
    error = outcome.error
    if isinstance(error, VectorshiftApiError):
        return f"{error.label} ({error.status_code})"
    return type(error.__cause__ or error).__name__
