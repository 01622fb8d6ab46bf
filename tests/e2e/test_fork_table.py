"""The table of `docs/forks.md` that says what works in a child of a fork: each row is tried."""

from __future__ import annotations

import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.interpreter import output

from vectorshift.testing import FakeVectorShift

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PAGE = Path(__file__).parents[2] / "docs" / "forks.md"

SCRIPT = """
import asyncio, os, sys, threading, time, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, os.environ["FOLDER"])
import vectorshift
from vectorshift import CredentialConfigurationError as Refused, Pipeline

def refused(call):
    try:
        call()
    except Refused as error:
        return str(error)
    raise AssertionError("not refused")

{before}
forking = time.monotonic()
pid = os.fork()
took = time.monotonic() - forking
if not pid:
    try:
{child}
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
for _ in range(600):
    done, status = os.waitpid(pid, os.WNOHANG)
    if done:
        break
    time.sleep(0.05)
else:
    os.kill(pid, 9)
    sys.exit("the child hangs")
assert status == 0, "the child failed"
{after}
"""

AWS = """
import boto3
store = boto3.client("secretsmanager", region_name="eu-west-1", aws_access_key_id="a",
                     aws_secret_access_key="b", endpoint_url="http://127.0.0.1:9")
provider = vectorshift.AwsSecretsManagerProvider("a", client=store)
"""
"""Nothing listens there: a read fails, and has used the client."""

ROWS = {
    "had used nothing": ("", "Pipeline.list()", ""),
    "had called `warm_up()`": (
        "vectorshift.warm_up(); del os.environ['VECTORSHIFT_API_KEY']\n"
        "os.environ['VECTORSHIFT_API_KEY'] = os.environ['OTHER']",
        "Pipeline.list()",
        "Pipeline.list()",
    ),
    "had made sync calls": (
        "Pipeline.list()",
        "Pipeline.list(); Pipeline.list()",
        "Pipeline.list()",
    ),
    "had made async calls": (
        "asyncio.run(Pipeline.alist())",
        "asyncio.run(Pipeline.alist()); asyncio.run(Pipeline.alist())",
        "asyncio.run(Pipeline.alist())",
    ),
    "was reading a key in another thread": (
        """
        entered, go, parent = threading.Event(), threading.Event(), os.getpid()

        class Slow(vectorshift.CredentialProvider):
            name = "slow"
            def describe(self):
                return vectorshift.Description(configured=True, source="slow:")
            def get_credential(self):
                entered.set()
                if os.getpid() == parent:
                    go.wait()
                key = os.environ["OTHER"]
                return vectorshift.Credential(secret=key, source="slow:", provider="slow")

        vectorshift.configure(credentials=vectorshift.CachingProvider(Slow(), load_timeout=60))
        threading.Thread(target=vectorshift.get_credential, daemon=True).start()
        entered.wait()
        """,
        "Pipeline.list()",
        "go.set(); Pipeline.list()",
    ),
    "was importing in another thread, in its first use": (
        "threading.Thread(target=vectorshift.warm_up).start(); time.sleep(0.02)",
        "if took < 1.9: Pipeline.list()\n"  # else the machine is too busy for the 2 s
        "else: assert time.monotonic() - forking < 30",
        "Pipeline.list()",
    ),
    "was importing for longer than that": (
        """
        with open(os.environ["FOLDER"] + "/pydantic_settings.py", "w") as module:
            module.write("import __main__, time; __main__.begun.set(); time.sleep(60)")
        os.environ.update(VECTORSHIFT_TIMEOUT="5", VECTORSHIFT_LOAD_TIMEOUT="1")
        begun = threading.Event()
        threading.Thread(target=vectorshift.warm_up, daemon=True).start()
        begun.wait()
        """,
        "assert 'vectorshift.warm_up()' in refused(Pipeline.list)",
        "",
    ),
    "had set `vectorshift.api_key` or called `configure()`": (
        "vectorshift.api_key = os.environ['OTHER']",
        "assert vectorshift.get_credential().source != 'env:VECTORSHIFT_API_KEY'; Pipeline.list()",
        "",
    ),
    "was inside a `using` block": (
        "block = vectorshift.using(os.environ['OTHER']); block.__enter__()",
        "assert vectorshift.get_credential().source != 'env:VECTORSHIFT_API_KEY'; Pipeline.list()",
        "block.__exit__(None, None, None)",
    ),
    "had a stream open": (
        """
        client = vectorshift.VectorShift()
        block = client.stream("GET", "/pipelines")
        stream = block.__enter__()
        """,
        "client.request('GET', '/pipelines')",
        "data = b''.join(stream.iter_bytes()); assert data, data; block.__exit__(None, None, None)",
    ),
    "had a `Pipeline` or a run's handler": (
        "pipeline = Pipeline.fetch(name='one'); handler = pipeline.start({})",
        "pipeline.run({}); handler.result()",
        "pipeline.run({}); handler.result()",
    ),
    "had used `VectorShift(http_client=...)` or `AsyncVectorShift(http_client=...)`": (
        """
        import httpx
        client = vectorshift.VectorShift(http_client=httpx.Client())
        Pipeline.list(client=client)
        """,
        "refused(lambda: Pipeline.list(client=client))\n"
        "Pipeline.list(client=vectorshift.VectorShift(http_client=httpx.Client()))",
        "Pipeline.list(client=client)",
    ),
    "had used `CredentialAuth` or `httpx2_auth` on a client of its own": (
        """
        import httpx
        base = os.environ["VECTORSHIFT_BASE_URL"]
        def made():
            auth = vectorshift.CredentialAuth(os.environ["OTHER"], origin=base)
            return httpx.Client(auth=auth)
        http = made()
        assert http.get(base + "/pipelines").status_code == 200
        """,
        "refused(lambda: http.get(base + '/pipelines'))\n"
        "assert made().get(base + '/pipelines').status_code == 200",
        "assert http.get(base + '/pipelines').status_code == 200",
    ),
    "had used `AwsSecretsManagerProvider(..., client=...)`": (
        AWS + "\ntry:\n    provider.get_credential()\nexcept vectorshift.CredentialError: pass\n",
        "assert 'another process' in refused(provider.get_credential)",
        "",
    ),
    "had made any of these three, and not used it": (
        AWS + "\nimport httpx\nclient = vectorshift.VectorShift(http_client=httpx.Client())\n"
        "auth = vectorshift.CredentialAuth(os.environ['OTHER'],"
        " origin=os.environ['VECTORSHIFT_BASE_URL'])",
        "Pipeline.list(client=client)\n"
        "base = os.environ['VECTORSHIFT_BASE_URL']\n"
        "httpx.get(base + '/pipelines', auth=auth).raise_for_status()\n"
        "try:\n    provider.get_credential()\n"
        "except vectorshift.CredentialStoreUnavailableError: pass\n",
        "Pipeline.list(client=client)",
    ),
}


@pytest.fixture(scope="module")
def api() -> Iterator[FakeVectorShift]:
    with FakeVectorShift() as running:
        running.add_pipeline("acme", name="one")
        yield running


def rows_of_the_page() -> list[str]:
    text = PAGE.read_text().partition("| before the fork, the parent |")[2].partition("\n\n")[0]
    return [line.split(" | ")[0].removeprefix("| ") for line in text.splitlines()[2:]]


def test_every_row_of_the_page_is_tried() -> None:
    assert rows_of_the_page() == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_page_is_true(api: FakeVectorShift, tmp_path: Path, row: str) -> None:
    before, child, after = map(textwrap.dedent, ROWS[row])
    code = SCRIPT.format(before=before, child=textwrap.indent(child, " " * 8), after=after)
    environment = {
        "VECTORSHIFT_API_KEY": api.create_key(org="acme"),
        "VECTORSHIFT_BASE_URL": api.base_url,
        "OTHER": api.create_key(org="acme"),
        "FOLDER": str(tmp_path),
    }
    output(sys.executable, "-c", code, env=environment)
