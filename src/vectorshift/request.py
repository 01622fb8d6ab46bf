"""The errors, where the official SDK's examples import them from. Import them from `vectorshift` in
new code.
"""

from vectorshift.errors import *  # noqa: F403  # the same names, whichever they come to be
from vectorshift.errors import __all__ as __all__
