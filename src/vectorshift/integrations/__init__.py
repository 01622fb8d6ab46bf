"""Bridges to other libraries. Each is imported only by name."""
