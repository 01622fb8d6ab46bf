"""Keep the key of a remote source fresh, with one refresh at a time."""
