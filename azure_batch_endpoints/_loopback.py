"""Whether an address is this machine. The one rule by which plain http, proxies and the emulator's URLs are judged."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` is this machine by its very name: 127.0.0.0/8, ::1 or localhost."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name, such as 127.example.com
        return False


def leads_here(url: str) -> bool:
    """Tell whether a URL leads to this machine; its scheme may be left out (``//host:port``)."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # brackets around what is no address: it leads nowhere
        return False
