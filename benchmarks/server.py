"""Serve the stand-in API until the standard input ends: `python -m benchmarks.server`."""

from __future__ import annotations

import json
import sys

from vectorshift.testing import FakeVectorShift

if __name__ == "__main__":
    with FakeVectorShift(keep_requests=0) as api:
        print(json.dumps({"base_url": api.base_url, "key": api.create_key()}), flush=True)
        sys.stdin.read()
