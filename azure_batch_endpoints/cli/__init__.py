"""The command line, ``abe``: a noun, a verb, the SDK call, and what came back. Anything longer belongs in the SDK."""
