"""Which source is asked, in which order, and what its answer means."""
