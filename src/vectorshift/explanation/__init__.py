"""Reports about the key that a call uses, and why it is used."""
