"""Lists that come in pages: follow ``nextLink`` only as far as the caller reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from azure_batch_endpoints._refusals import UNREADABLE, unread
from azure_batch_endpoints.errors import BatchEndpointsError, TransportError

if TYPE_CHECKING:
    from azure.core.paging import ItemPaged

    from azure_batch_endpoints._http.answer import Answer, Param
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
    refused, and so is one that was followed before: the list would never end.

    Args:
        session: sends.
        url: of the first page, see :meth:`Session.send`; or what finds it out, asked with the first item.
        convert: makes an item out of an element of ``value``.
        params: of the first page.
        audience: whose token.
        keep: leaves out the items it says False of, for what the service cannot filter by itself; None keeps all.
        action: continues "Could not …".
    """
    from azure.core.paging import PageIterator  # with the first list, not with this module

    from azure_batch_endpoints._http.listing import Listing

    def page(followed: set[str], link: str | None) -> Answer:
        if link is None:
            first = url if isinstance(url, str) else url()
            return session.send("GET", first, params=params, audience=audience, action=action)
        if link in followed:
            raise TransportError(
                f"Could not {action}: the service answered with the same nextLink again, so the list would never end. "
                "What was read until here is all there is; try again later."
            )
        followed.add(link)
        return session.send("GET", link, audience=audience, named_by="the answer's nextLink", action=action)

    def read(answer: Answer) -> Any:  # noqa: ANN401 (azure-core's type says that there always is a next page)
        fields = answer.body if isinstance(answer.body, dict) else {}
        value = fields.get("value")
        if (value and not isinstance(value, list)) or (answer.body and not isinstance(answer.body, dict)):
            raise _odd(action, "it has no list in it")
        items = map(made, value if isinstance(value, list) else [])
        link = fields.get("nextLink")
        following = urljoin(answer.url, link) if isinstance(link, str) and link else None
        return following, items if keep is None else filter(keep, items)

    def made(entry: object) -> _Item:
        try:
            return convert(entry)
        except BatchEndpointsError:
            raise
        except UNREADABLE as error:
            raise _odd(action, unread(error)) from error

    def pages(continuation_token: str | None = None) -> PageIterator[_Item]:
        return PageIterator(partial(page, set()), read, continuation_token)

    return Listing(pages, action.partition(" ")[2])


def _odd(action: str, why: str) -> TransportError:
    return TransportError(
        f"Could not {action}: the answer cannot be read: {why}. Check whether a proxy "
        "is in between; if this stays, look "
        "for a newer version of this package."
    )
