"""`providers check`: tries an installed plugin with the user's settings."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import asdict, dataclass

from rich.text import Text

from vectorshift._platform.background import BackgroundTask
from vectorshift._platform.entry_points import available
from vectorshift._platform.plugin_names import canonical, plugin_of
from vectorshift.cache.provider import CachingProvider
from vectorshift.chain.order import BUILT_IN, providers_of
from vectorshift.chain.outcomes import outcome_of
from vectorshift.cli.exits import Exit, exit_of
from vectorshift.cli.screen import complain, console, printable, prints_of_plugins_aside, show
from vectorshift.credentials.adapter import adapt
from vectorshift.credentials.guard import UNDESCRIBED
from vectorshift.credentials.resolving import DEFAULT_REQUEST
from vectorshift.credentials.values import Credential
from vectorshift.providers.static import FailingProvider, UnconfiguredProvider
from vectorshift.settings import Settings
from vectorshift.settings.plugin import FrozenMap

__all__ = ["check"]

_GRACE = 1.0
"""Additional seconds for work that has its own time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One step of a chain with a plugin, and its outcome."""

    step: str
    good: bool
    outcome: str
    detail: str
    seconds: float


def check(name: str, as_json: bool) -> Exit:
    """Find, create, describe and ask an installed plugin; print each step with its time.

    Args:
        name: the plugin, or one of its instances, such as `acme:prod`.
        as_json: whether to print JSON.
    """
    name = canonical(name)
    if plugin_of(name) in BUILT_IN:
        complain(f"{name} is built in: vectorshift auth status --probe asks it.")
        return Exit.USAGE
    steps: list[_Step] = []
    with prints_of_plugins_aside():
        end = _try(name, steps)
    data = {"provider": name, "status": end.word, "steps": [asdict(each) for each in steps]}
    facts = {each.step: f"{each.outcome} {each.seconds:.3f} s  {each.detail}" for each in steps}
    show(as_json, data, lambda: _draw(steps), {"status": end.word, **facts})
    return end


def _try(name: str, steps: list[_Step]) -> Exit:
    """Take the steps until one fails; return the exit code."""
    began = time.monotonic()

    def step(what: str, detail: str, *, good: bool = True, outcome: str = "") -> None:
        nonlocal began
        took, began = time.monotonic() - began, time.monotonic()
        steps.append(
            _Step(
                step=what,
                good=good,
                outcome=outcome or ("ok" if good else "failed"),
                detail=printable(detail),
                seconds=round(took, 3),
            )
        )

    plugins = {each.name: each for each in available()}
    entry = plugins.get(plugin_of(name))
    if entry is None or entry.problem:
        usable = [name for name, each in plugins.items() if not each.problem]
        there = ", ".join(usable) or "none"
        absent = (
            f"no installed package has it. Plugins here: {there}. Run it in the environment where"
            f" you installed the plugin; this one is {sys.prefix}"
        )
        step("found", f"{entry.problem if entry else absent}.", good=False)
        return Exit.SOURCE_FAILED
    step("found", f"{entry.origin}, {entry.target}")
    settings = _settings_of(name)
    provider = adapt(providers_of(settings)[-1])
    if (maker := provider.maker()) is not None:
        late = maker.resolve(DEFAULT_REQUEST)
        if provider.maker() is not None:
            step("made", str(late), good=False)
            return Exit.SOURCE_FAILED
    made = provider.actual
    described = provider.describe()
    if isinstance(made, FailingProvider):
        if isinstance(made, UnconfiguredProvider):
            step("made", described.detail, good=False, outcome="not configured")
        else:
            step("made", made.failure.message, good=False)
        return exit_of(made.failure)
    step("made", "remote, cached" if isinstance(made, CachingProvider) else "local")
    is_good = not described.detail.startswith(UNDESCRIBED)
    step("described", f"{described.source} {described.detail}".rstrip(), good=is_good)
    asking = BackgroundTask(lambda: provider.resolve(DEFAULT_REQUEST)).start()
    if not asking.wait(settings.load_timeout + _GRACE):  # a local getter has no other time limit
        hangs = f"its getter still runs after {settings.load_timeout + _GRACE:g} s. It is local"
        step("asked", f"{hangs} (remote = False): a call would hang too.", good=False)
        return Exit.SOURCE_FAILED
    answer = asking.result()
    if isinstance(answer, Credential):
        end = Exit.GOOD if is_good else Exit.SOURCE_FAILED
        step("asked", str(answer))
    else:
        end = exit_of(answer)
        step("asked", f"{outcome_of(provider, answer)}: {answer.message}", good=False)
    closing = BackgroundTask(provider.close).start()
    if not closing.wait(settings.load_timeout):
        end = Exit.SOURCE_FAILED
        step("closed", f"close() still runs after {settings.load_timeout:g} s.", good=False)
    return end


def _settings_of(name: str) -> Settings:
    """Return settings with only this provider in the chain.

    Providers in `VECTORSHIFT_PROVIDERS` are loaded, too, or their variables would be unknown.
    """
    named = ",".join(filter(None, [os.environ.get("VECTORSHIFT_PROVIDERS"), name]))
    settings = Settings.load({**os.environ, "VECTORSHIFT_PROVIDERS": named})
    own = {each: values for each, values in settings.plugins.items() if each == name}
    return settings.model_copy(update={"providers": (name,), "plugins": FrozenMap(own)})


def _draw(steps: list[_Step]) -> None:
    screen = console()
    for each in steps:
        mark = Text(f"{each.outcome:<6}", "green" if each.good else "red")
        screen.print(mark, Text(f"{each.step:<9} {each.seconds:6.3f} s  {each.detail}"))
