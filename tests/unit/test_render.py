"""What repr and the notebook show."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from azure_batch_endpoints import _render
from azure_batch_endpoints.states import JobStatus


@pytest.mark.parametrize(
    ("seconds", "said"), [(-5, "0 s ago"), (3, "3 s ago"), (60, "1 min ago"), (7300, "2 h ago"), (3 * 86400, "3 d ago")]
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, said: str) -> None:
    assert _render.age(datetime.now(timezone.utc) - timedelta(seconds=seconds)) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, ""),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=1))), "2026-01-02 02:04:05 UTC"),
        ({"a": 1, "b": "x"}, "a=1, b=x"),
        (JobStatus.RUNNING, "Running"),
        (3, "3"),
    ],
)
def test_a_value_is_shown_as_a_cell(value: object, said: str) -> None:
    assert _render.text(value) == said


def test_a_card_escapes_what_the_user_wrote_and_links_web_addresses_only() -> None:
    html = _render.card("Job", [("name", "<script>x</script>"), ("none", None), ("page", "https://a/b?c=1&d=2")])

    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert '<a href="https://a/b?c=1&amp;d=2">' in html
    assert "none" not in html
    assert "javascript" not in _render.card("Job", [("x", "javascript:1")]).split("<td")[0]
