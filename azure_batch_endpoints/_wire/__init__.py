"""What goes over HTTP, shared by the client and the local service: bodies, paths, scalars, conversions.

Nothing here sends anything. Facts are those of the REST reference (api-versions 2021-10-01 to 2025-06-01) and of
recorded traffic of the real service.
"""
