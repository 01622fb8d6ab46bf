"""Metrics and span attributes about keys, for OpenTelemetry.

    from vectorshift.integrations.opentelemetry import instrument

    instrument()

Or run the program under `opentelemetry-instrument`, which finds this by itself. Needs the package
`opentelemetry-api`: `pip install 'vectorshift[otel]>=2'`. Without an SDK nothing is recorded.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

try:
    from opentelemetry import metrics as otel, trace
    from opentelemetry.metrics import CallbackOptions, Observation
except ImportError as error:
    raise ImportError(
        "vectorshift.integrations.opentelemetry needs opentelemetry-api. Run: pip install"
        " 'vectorshift[otel]>=2'"
    ) from error

from vectorshift.credentials.usage import IN_USE, KeyName, Refreshed, usage, without_version
from vectorshift.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from opentelemetry.metrics import MeterProvider

    from vectorshift.credentials.values import Credential

__all__ = ["VectorShiftInstrumentor", "instrument"]

_PREFIX: Final = "vectorshift.credential."
_KEYS: Final = ("provider", "source", "fingerprint")
_GAUGES: Final[dict[str, tuple[str, str, Callable[[], Mapping[KeyName, float]]]]] = {
    "in_use": (
        "{key}",
        "1 for a key that requests used in the last 5 minutes.",
        lambda: {name: int(since < IN_USE) for name, since in usage.in_use().items()},
    ),
    "held": (
        "{key}",
        "1 for a key that a cache or a chain holds.",
        lambda: dict.fromkeys(usage.held(), 1),
    ),
    "age": (
        "s",
        "Seconds since a held key was read.",
        lambda: {name: key.age for name, key in usage.held().items()},
    ),
    "stale": (
        "{key}",
        "1 for a held key whose store cannot be read.",
        lambda: {name: int(key.is_stale) for name, key in usage.held().items()},
    ),
}
_EVENTS: Final = {
    "rejected": ("rejections", "{rejection}", "Keys that the API refused."),
    "served_stale": ("served_stale", "{event}", "Keys used while their store fails."),
    "fell_through": ("fall_throughs", "{event}", "Configured sources that were skipped."),
    "rotated": ("rotations", "{rotation}", "New keys from the same source."),
    "source_changed": ("source_changes", "{event}", "Keys from a different source."),
    "lost": ("losses", "{event}", "Sources without an available key."),
}


def instrument(*, meter_provider: MeterProvider | None = None) -> None:
    """Report which keys are in use, and how they are read. A second call does nothing.

    The metrics have the names of sources and fingerprints, never keys. Only gauges have
    fingerprints. A span that is current when a request is sent gets the attributes
    `vectorshift.credential.source`, `.provider` and `.fingerprint`.

    Args:
        meter_provider: where the metrics go; the global one by default.
    """
    VectorShiftInstrumentor().instrument(meter_provider=meter_provider)


class VectorShiftInstrumentor:
    """The class that OpenTelemetry's entry point names. In code, call `instrument()`."""

    _current: VectorShiftInstrumentor | None = None
    """The instance that reports. There is at most one in a process."""

    def instrumentation_dependencies(self) -> tuple[str, ...]:
        """Return an empty tuple: this package instruments itself."""
        return ()

    def instrument(self, *, meter_provider: MeterProvider | None = None, **_options: Any) -> None:
        """Report from now on, unless another instance does."""
        if VectorShiftInstrumentor._current is not None:
            return
        VectorShiftInstrumentor._current = self
        usage.watch()
        self._use = usage.note
        usage.note = self._note
        meter = otel.get_meter("vectorshift", __version__, meter_provider)
        self._duration = meter.create_histogram(
            f"{_PREFIX}refresh.duration",
            unit="s",
            description="How long reads of stores take, by outcome.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        usage.observers.append(self._observe)
        for name, (unit, description, read) in _GAUGES.items():
            observe = self._while_on(partial(_observed, read))
            meter.create_observable_gauge(_PREFIX + name, [observe], unit, description)
        for kind, (name, unit, description) in _EVENTS.items():
            observe = self._while_on(partial(_happened, kind))
            meter.create_observable_counter(_PREFIX + name, [observe], unit, description)
        meter.create_observable_counter(
            "vectorshift.chain.walks",
            [self._while_on(_walked)],
            "{walk}",
            "Reads of the whole chain. Most requests need none.",
        )

    def uninstrument(self, **_options: Any) -> None:
        """Stop reporting."""
        current = VectorShiftInstrumentor._current
        if current is None:
            return
        VectorShiftInstrumentor._current = None
        usage.observers.remove(current._observe)
        usage.note = current._use

    def _note(self, credential: Credential) -> None:
        if self._use is not None:
            self._use(credential)
        span = trace.get_current_span()
        if span.is_recording():
            name = (
                credential.provider,
                without_version(credential.source),
                credential.fingerprint,
            )
            span.set_attributes(_attributes(name))

    def _observe(self, refresh: Refreshed) -> None:
        about = {
            f"{_PREFIX}provider": refresh.provider,
            f"{_PREFIX}source": refresh.source,
        }
        self._duration.record(refresh.seconds, {**about, **_outcome(refresh.failure)})

    def _while_on(
        self, observe: Callable[[], Iterable[Observation]]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def callback(_options: CallbackOptions) -> Iterable[Observation]:
            return observe() if VectorShiftInstrumentor._current is self else ()

        return callback


_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def _observed(read: Callable[[], Mapping[KeyName, float]]) -> Iterator[Observation]:
    for name, value in read().items():
        yield Observation(value, _attributes(name))


def _happened(kind: str) -> Iterator[Observation]:
    found = usage.events().get(kind, {})
    if kind == "source_changed":  # without a source, as a counter must begin at 0
        yield Observation(sum(found.values()))
        return
    for (provider, source), count in found.items():
        about = {f"{_PREFIX}provider": provider, f"{_PREFIX}source": source}
        yield Observation(count, about)


def _walked() -> Iterator[Observation]:
    for failure, count in usage.walks().items():
        yield Observation(count, _outcome(failure))


def _attributes(name: KeyName) -> dict[str, str]:
    return {f"{_PREFIX}{key}": value for key, value in zip(_KEYS, name, strict=True)}


def _outcome(failure: str) -> dict[str, str]:
    return {"error.type": failure} if failure else {}
