"""Azurite as the blob store of the local service: found or installed, started, kept running, ended. Needs Node.js."""

from azure_batch_endpoints.local.azurite.keeping import KeptAzurite
from azure_batch_endpoints.local.azurite.process import Azurite

__all__ = ["Azurite", "KeptAzurite"]
