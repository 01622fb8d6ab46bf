"""The place of `vectorshift.api_key`: the namespace of the package, one per process.

`mock.patch` looks for the key there. The package registers its namespace when it is imported. So
another object under its name in `sys.modules` cannot hide the key.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

namespace: "dict[str, Any]" = {"api_key": None}

scope: "Any" = None
"""The default scope, once its module is loaded. It may reject a key that is assigned."""
