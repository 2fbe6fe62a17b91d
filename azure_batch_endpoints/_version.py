"""The package's version; the changelog's newest entry carries the same one."""

__version__ = "0.1.0"
