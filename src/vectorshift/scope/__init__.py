"""The settings and credentials that are in force: for the process, and in a block."""
