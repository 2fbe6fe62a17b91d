"""Lists that come in pages: follow ``nextLink`` only as far as the caller reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged

    from azure_batch_endpoints._http.answer import Param
    from azure_batch_endpoints._http.session import Session

_Item = TypeVar("_Item")


def paged(
    session: Session,
    url: str | Callable[[], str],
    convert: Callable[[Any], _Item],
    *,
    params: Mapping[str, Param] | None = None,
    audience: str = "management",
    keep: Callable[[_Item], bool] | None = None,
    action: str,
) -> ItemPaged[_Item]:
    """Return an iterator over all items of a list; nothing is sent before the first item is asked for.

    The service leaves ``nextLink`` out on the last page, older routes say null or ""; when present it is absolute and
    carries its own query (recorded answers of 2022 and 2023). A link to a host that the workspace did not name is
    refused.

    Args:
        session: sends.
        url: of the first page, see :meth:`Session.send`; or what finds it out, asked with the first item.
        convert: makes an item out of an element of ``value``.
        params: of the first page.
        audience: whose token.
        keep: leaves out the items it says False of, for what the service cannot filter by itself; None keeps all.
        action: continues "Could not …".
    """

    def page(link: str | None) -> object:
        address = link or (url if isinstance(url, str) else url())
        sent = session.send("GET", address, params=None if link else params, audience=audience, action=action)
        return sent.body

    def read(body: object) -> tuple[str | None, Iterable[_Item]]:
        fields = body if isinstance(body, dict) else {}
        items = map(convert, fields.get("value") or [])
        return fields.get("nextLink") or None, items if keep is None else filter(keep, items)

    from azure.core.paging import ItemPaged as Pages  # with the first list, not with this module

    return Pages(page, read)
