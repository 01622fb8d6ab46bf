"""Replace an old key by a new one. Only `vectorshift rotate` imports this package.

Providers only read. The code that writes is here, one class for each source. So a process that
makes calls has no code that could change a key.
"""
