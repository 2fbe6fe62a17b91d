"""The embedded blob endpoint: the part of the Azure Blob REST protocol the local service needs, over plain files.

``BlobStore`` is the folder and its use from Python; ``blob_app`` answers the protocol over it.
"""

from azure_batch_endpoints.local.blobstore.app import blob_app
from azure_batch_endpoints.local.blobstore.failures import BlobError, StoreInUseError
from azure_batch_endpoints.local.blobstore.sas import container_signature
from azure_batch_endpoints.local.blobstore.store import BlobInfo, BlobStore

__all__ = ["BlobError", "BlobInfo", "BlobStore", "StoreInUseError", "blob_app", "container_signature"]
