"""Put a new key in the place of an old one: `vectorshift rotate`, and nothing else, imports this.

Providers only read. One module a writer stands beside them here, so that no process that makes
calls has code that could change a key.
"""
