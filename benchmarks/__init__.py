"""Speed and memory, measured beside other libraries in one run. `make bench` runs all of it."""
