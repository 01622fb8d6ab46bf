"""The real stores on loopback, for tests and for the sandbox: `pip install
'vectorshift[sandbox]'`.
"""

from vectorshift.testing.moto import MotoServer
from vectorshift.testing.openbao import OpenBaoServer

__all__ = ["MotoServer", "OpenBaoServer"]
