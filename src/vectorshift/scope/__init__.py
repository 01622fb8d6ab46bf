"""The settings and credentials in force, for the process and in `using` blocks."""
