"""Names that there are not. mypy and pyright must refuse each: an unneeded `ignore` is an error.

`make check` reads this file, and nothing runs it.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true
# ruff: noqa: B018, F401

import vectorshift
import vectorshift.credentials
import vectorshift.providers
import vectorshift.testing
from vectorshift import Pipelin  # type: ignore[attr-defined]
from vectorshift.providers import VaultProvidr  # type: ignore[attr-defined]
from vectorshift.testing import ManualClok  # type: ignore[attr-defined]

vectorshift.Pipelin  # type: ignore[attr-defined]
vectorshift.__versio__  # type: ignore[attr-defined]
vectorshift.get_credentials()  # type: ignore[attr-defined]
vectorshift.apikey = "vs-..."  # type: ignore[attr-defined]
vectorshift.Pipeline.lst()  # type: ignore[attr-defined]
vectorshift.VectorShift().pipelines()  # type: ignore[attr-defined]
vectorshift.credentials.Secrt  # type: ignore[attr-defined]
vectorshift.providers.VaultProvidr  # type: ignore[attr-defined]
vectorshift.testing.ManualClok  # type: ignore[attr-defined]
