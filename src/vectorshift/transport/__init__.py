"""httpx: connections, the key on each request, failures, and redaction."""
