"""The real stores on loopback, for tests and for the sandbox: `pip install
'vectorshift[sandbox]>=2'`.
"""

from vectorshift.testing.moto import MotoServer
from vectorshift.testing.openbao import OpenBaoServer
from vectorshift.testing.openbao_cluster import OpenBaoCluster

__all__ = ["MotoServer", "OpenBaoCluster", "OpenBaoServer"]
