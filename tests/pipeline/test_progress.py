"""The progress bar: on a terminal, on standard error, when it is asked for, and with a package of
its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from tests.call_styles import CallStyle

from vectorshift import Pipeline
from vectorshift.testing import FakeVectorShift

pytestmark = pytest.mark.anyio


async def test_without_a_terminal_nothing_is_shown(
    style: CallStyle, pipeline: Pipeline, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = await style.call(pipeline, "start", {"n": 1})
    assert (await style.call(handler, "result", 0, progress=True)).outputs == {"n": 1}
    assert (await style.call(pipeline, "bulk_run", [{"n": 1}], progress=True)).runs[0].outputs == {
        "n": 1
    }
    assert capfd.readouterr() == ("", "")


async def test_a_missing_package_is_named_with_its_extra_before_anything_is_sent(
    api: FakeVectorShift, style: CallStyle, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = await style.call(pipeline, "start")
    for name in [each for each in sys.modules if each.split(".")[0] == "rich"] + [
        "rich",
        "rich.console",
        "rich.progress",
    ]:
        monkeypatch.setitem(sys.modules, name, None)
    api.clear_requests()
    for target, name, args in ((handler, "result", ()), (pipeline, "bulk_run", ([{}],))):
        with pytest.raises(ImportError, match=r"rich: pip install 'vectorshift\[cli\]>=2'"):
            await style.call(target, name, *args, progress=True)
    assert api.requests == []
    await style.call(handler, "result", 0)  # and without the bar nothing is missing


_SCRIPT = """
import asyncio, sys
from vectorshift import AsyncVectorShift, Pipeline, VectorShift
key, url = sys.argv[1:]
with VectorShift(key, base_url=url) as client:
    pipeline = Pipeline("p1", client=client)
    print(pipeline.start({"n": 1}).result(0.3, progress=True).outputs)
    print(pipeline.bulk_run([{"n": 1}, {"n": 2}], progress=True).runs[1].outputs)

async def main():
    async with AsyncVectorShift(key, base_url=url) as client:
        handler = await Pipeline("p1", client=client).astart({"n": 3})
        print((await handler.aresult(0.3, progress=True)).outputs)

asyncio.run(main())
"""


@pytest.mark.skipif(os.name != "posix", reason="it opens a pseudo-terminal")
def test_on_a_terminal_a_bar_is_shown_on_standard_error(api: FakeVectorShift) -> None:
    api.latency = 0.2
    ours, theirs = os.openpty()
    environ: dict[str, Any] = {**os.environ, "TERM": "xterm"}
    arguments = [sys.executable, "-c", _SCRIPT, api.create_key(), api.base_url]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=theirs, env=environ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not piece:
                break
            shown += piece
        printed, _ = process.communicate(timeout=60)
    os.close(ours)
    assert printed.decode().splitlines() == ["{'n': 1}", "{'n': 2}", "{'n': 3}"]
    assert b"run " in shown
    assert b"in_progress" in shown
    assert b"2 runs" in shown
