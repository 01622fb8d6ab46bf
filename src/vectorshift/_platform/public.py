"""Names for annotations that tools resolve at run time: `Self` on Python 3.10, and public classes
that must not be imported for an annotation.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if sys.version_info >= (3, 11):
    from typing import Self as Self
else:
    from typing_extensions import Self as Self

if TYPE_CHECKING:
    import httpx2 as httpx2

    from vectorshift.client import (
        AsyncVectorShift as AsyncVectorShift,
        Stream as Stream,
        VectorShift as VectorShift,
    )
    from vectorshift.credentials.values import Credential as Credential
    from vectorshift.settings import Settings as Settings
else:

    def __getattr__(name: str) -> object:  # when a tool reads the annotation
        if name.startswith("_"):
            raise AttributeError(name)
        return __import__(name) if name == "httpx2" else getattr(sys.modules["vectorshift"], name)


__all__ = ["AsyncVectorShift", "Credential", "Self", "Settings", "Stream", "VectorShift", "httpx2"]
