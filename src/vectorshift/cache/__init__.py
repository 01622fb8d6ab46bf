"""Keep the answer of a remote source fresh, with one refresh at a time."""
