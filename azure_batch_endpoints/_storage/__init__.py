"""Local files to blobs and back: hashing, uploads, assets, and the one way to a container.

Re-exports nothing, so that importing one module loads no more than it needs.
"""
