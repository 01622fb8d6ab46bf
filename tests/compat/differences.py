"""What `docs/migrate-details.md` says of the official SDK in its table of differences.

It runs on that SDK alone, and prints what it sees as JSON.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import pickle
import time
from pathlib import Path
from typing import Any

import vectorshift
from vectorshift import ApiConnectionError, NotFoundError, Pipeline

request: Any = importlib.import_module("vectorshift.request")  # names that are not in ours

seen: dict[str, Any] = {}
ID = "65f0c3a1b2d4e5f60718293a"


def error_of(call: Any, *args: Any, **given: Any) -> Exception | None:
    try:
        call(*args, **given)
    except Exception as error:
        return error
    return None


os.environ["VECTORSHIFT_API_KEY"] = "vs-later"
seen["the variable is read at import"] = vectorshift.api_key != "vs-later"
seen[".env beside python -c"] = os.environ.get("FROM_DOTENV")
pipeline: Any = Pipeline.fetch(id=ID)

first, second = Pipeline.list()[:2]
seen["names of a list"] = [first.name, second.name, Pipeline.list(verbose=True)[0].name is not None]
seen["a status that says failed"] = pipeline.run({})["error"]  # scripted
seen["an event that says failed"] = [chunk.error for chunk in pipeline.stream({})]
pipeline.inputs = {"text": {"io_type": "string"}}
seen["inputs that do not fit"] = type(error_of(pipeline.run, {"wrong": 1})).__name__
seen["timeout="] = type(error_of(pipeline.run, {"text": "x"}, timeout=30)).__name__
pipeline.inputs = {}
pipeline.run({"document": Path(".env")})
Pipeline.fetch(name="invoices", branch_id="b", version="9.9.9")
began = time.monotonic()
seen["delete"] = type(error_of(pipeline.delete)).__name__  # fails, as scripted
seen["its pause"] = round(time.monotonic() - began)
seen["the first argument"] = next(iter(inspect.signature(Pipeline).parameters))
seen["equal"] = Pipeline(id="a") == Pipeline(id="a")

errors: list[Any] = [NotFoundError(404, "GET", "/x", '{"error": "no"}'), ApiConnectionError("m")]
seen["unpickles"] = [error_of(pickle.loads, pickle.dumps(each)) is None for each in errors]
seen["lines of a text"] = len(str(errors[0]).splitlines())

vectorshift.api_key = "vs-key\n"
seen["a line break is shown"] = "vs-key" in str(error_of(Pipeline.list))
seen["and async"] = "vs-key" in str(error_of(asyncio.run, Pipeline.alist()))
vectorshift.api_key = ""
request.request_client.api_key = "vs-at-import"
error_of(Pipeline.list)
vectorshift.api_key = request.request_client.api_key = None
error_of(Pipeline.list)
netrc = Path.home() / ".netrc"
netrc.write_text("machine 127.0.0.1 login user password secret\n")
netrc.chmod(0o600)
error_of(Pipeline.list)
request.async_request_client.api_key = "vs-async"
error_of(asyncio.run, Pipeline.alist())


async def limit() -> float | None:
    session = await request.async_request_client._get_session()
    total: float | None = session.timeout.total
    await session.close()
    return total


seen["async time limit"] = asyncio.run(limit())
print(json.dumps(seen))
