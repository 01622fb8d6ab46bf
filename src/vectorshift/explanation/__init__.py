"""Which key a call uses, and why that one."""
