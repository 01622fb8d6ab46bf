"""httpx: connections, the key on each request, failures, and what must not be seen."""
