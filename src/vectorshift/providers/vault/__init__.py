"""HashiCorp Vault, OpenBao, and other servers with their API."""

from vectorshift.providers.vault.provider import VaultProvider

__all__ = ["VaultProvider"]
