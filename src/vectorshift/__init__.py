"""The VectorShift Python SDK, with credentials done right."""

__version__ = "1.0.0"
