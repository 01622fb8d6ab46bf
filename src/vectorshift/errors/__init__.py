"""Every error that this package raises.

```text
VectorshiftError
├── VectorshiftApiError              the API answered with a failure
│   ├── BadRequestError              400
│   ├── AuthenticationError          401: no key, or a key that the API rejects
│   ├── PermissionDeniedError        403: the key is valid but lacks the scope
│   ├── NotFoundError                404
│   ├── UnprocessableEntityError     422
│   ├── RateLimitError               429
│   ├── InternalServerError          500 and above
│   ├── PipelineRunFailedError       0: a run failed; 200 if the answer to `run` says so
│   └── PollTimeoutError             0: a run did not end in time; also a TimeoutError
├── ApiConnectionError               no answer: nothing listens, or the connection broke
│   └── ApiTimeoutError
└── CredentialError                  a source gave no key
    ├── CredentialNotFoundError      nothing is configured here, or the place is empty
    │   └── MissingCredentialError   ... anywhere in the chain; also an AuthenticationError
    ├── CredentialConfigurationError       configured, and wrong
    ├── CredentialDeniedError              the store refused us
    │   └── CredentialRevokedError         the store says that this secret is gone
    └── CredentialStoreUnavailableError    the store is down, slow or throttling
```

Each error survives `pickle` and `copy` with its attributes, and none holds a key.
"""

from vectorshift.errors.api import (
    ApiConnectionError,
    ApiTimeoutError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    PipelineRunFailedError,
    PollTimeoutError,
    RateLimitError,
    UnprocessableEntityError,
    VectorshiftApiError,
    api_error_class,
)
from vectorshift.errors.base import VectorshiftError, fresh_copy, revive as revive
from vectorshift.errors.credential import (
    Attempt,
    CredentialConfigurationError,
    CredentialDeniedError,
    CredentialError,
    CredentialNotFoundError,
    CredentialRevokedError,
    CredentialStoreUnavailableError,
    MissingCredentialError,
    error_for_status,
)

__all__ = [
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "ApiConnectionError",
    "ApiStatusError",
    "ApiTimeoutError",
    "Attempt",
    "AuthenticationError",
    "BadRequestError",
    "CredentialConfigurationError",
    "CredentialDeniedError",
    "CredentialError",
    "CredentialNotFoundError",
    "CredentialRevokedError",
    "CredentialStoreUnavailableError",
    "InternalServerError",
    "MissingCredentialError",
    "NotFoundError",
    "PermissionDeniedError",
    "PipelineRunFailedError",
    "PollTimeoutError",
    "RateLimitError",
    "UnprocessableEntityError",
    "VectorShiftAPIError",
    "VectorShiftError",
    "VectorshiftApiError",
    "VectorshiftError",
    "api_error_class",
    "error_for_status",
    "fresh_copy",
]

# The official SDK's other spellings.
ApiStatusError = APIStatusError = VectorShiftAPIError = VectorshiftApiError
VectorShiftError = VectorshiftError
APIConnectionError = ApiConnectionError
APITimeoutError = ApiTimeoutError

for _name in __all__:  # pickles and tracebacks name the public path
    if isinstance(_public := globals()[_name], type):
        _public.__module__ = "vectorshift"
