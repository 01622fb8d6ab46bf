"""HashiCorp Vault, OpenBao, and whatever else speaks their API."""

from vectorshift.providers.vault.provider import VaultProvider

__all__ = ["VaultProvider"]
