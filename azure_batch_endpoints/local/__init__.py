"""The embedded local service: the same REST protocol as Azure's, really scoring on this machine.

Only ``BatchClient.local()`` and the dry run reach into this room; nothing here imports the entities.
"""
