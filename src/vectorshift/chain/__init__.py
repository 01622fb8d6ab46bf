"""The chain: the order in which sources are asked, and what each answer means."""
