"""What repr and the notebook show."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_batch_endpoints import _render
from azure_batch_endpoints.states import JobStatus

SECRET = "https://a.blob.core.windows.net/c/b?sv=2024-11-04&sig=c2VjcmV0%3D&se=2027"
HOSTILE = st.text(max_size=40) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</title></svg><script>x</script>",
        "{{ 7*7 }}{% raw %}",
        "javascript:alert(1)",
        "</style><b>",
        "\ud800 half of a character",
        "]]><!--",
        SECRET,
    ]
)


class Page(HTMLParser):
    """Takes HTML apart, and notes what must not be there."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.wrong: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name in {"src", "srcset", "data", "action", "background", "xlink:href"}:
                self.wrong.append(f"{tag} {name}")
            if name == "href":
                self.links.append(value or "")


def is_calm(shown: str) -> bool:
    """Whether HTML runs nothing, asks for nothing and has no secret."""
    page = Page(shown)
    style = "".join(re.findall(r"<style>.*?</style>", shown, re.DOTALL))
    assert not {"script", "img", "iframe", "object", "embed", "link", "foreignobject"} & set(page.tags), page.tags
    assert page.wrong == []
    assert all(link.startswith(("https://", "http://")) for link in page.links)
    assert "url(" not in style and "@import" not in style
    assert set(re.findall(r"url\(([^)]*)\)", shown)) <= {one for one in re.findall(r"url\((#\w+)\)", shown)}
    assert "c2VjcmV0" not in shown
    shown.encode("utf-8")
    return True


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
        (Path("a/b"), "a/b"),
        (3, "3"),
    ],
)
def test_a_value_is_shown_as_a_cell(value: object, said: str) -> None:
    assert _render.text(value) == said


def test_a_card_escapes_what_the_user_wrote_and_links_web_addresses_only() -> None:
    shown = _render.card("Job", [("name", "<script>x</script>"), ("empty", None), ("page", "https://a/b?c=1&d=2")])

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert '<a href="https://a/b?c=1&amp;d=2"' in shown
    assert "empty" not in shown
    assert Page(_render.card("Job", [("x", "javascript:1")])).links == []


@given(st.lists(st.tuples(HOSTILE, HOSTILE), max_size=4), HOSTILE)
def test_whatever_names_and_values_say_a_card_and_a_table_only_show_it(rows: list[tuple[str, str]], title: str) -> None:
    assert is_calm(_render.card(title, rows))
    assert is_calm(_render.table(title, ["first", title], rows, note=title))


@given(HOSTILE, HOSTILE, st.integers(0, 5), st.integers(0, 5))
def test_whatever_a_job_says_the_live_view_and_its_bars_only_show_it(
    one: str, two: str, done: int, failed: int
) -> None:
    bar = _render.BarState(one, two, done, failed, 5, told=one)
    timeline = _render.timeline_svg(_render.Timeline((bars(worker=one)[0],), 1))
    view = _render.View(bar, one, two, error=two, causes=[one], timeline=timeline, logs=[(one, two)], note=two)

    assert is_calm(_render.live(view))
    assert is_calm(_render.bars([bar], more=two))


@given(HOSTILE, HOSTILE, st.none() | st.floats(0, 1))
def test_whatever_two_deployments_return_a_comparison_only_shows_it(
    one: str, two: str, agreement: float | None
) -> None:
    told = [("seconds", one, two)]
    shown = _render.comparison(
        names=(one, two),
        agreement=agreement,
        rows=3,
        columns=[one, two],
        differing=[[one, two]],
        differing_count=7,
        details=told,
        hint=two,
    )

    assert is_calm(shown)


def test_a_comparison_never_rounds_up_to_all_rows() -> None:
    shown = _render.comparison(
        names=("blue", "green"), agreement=0.999999, rows=10**6, columns=["row"], differing=[[3]], differing_count=1,
        details=[],
    )  # fmt: skip

    assert "99.99 %" in shown and "1,000,000 rows" in shown


def test_a_very_long_cell_and_a_very_long_table_are_cut() -> None:
    shown = _render.table("rows", ["text"], [["x" * 10_000]] * 10_000)

    assert len(shown) < 200_000
    assert "9,950 more" in shown


def test_the_end_of_a_long_traceback_is_kept_for_it_says_what_was_raised() -> None:
    trace = "Traceback\n" + "  File 'x.py', line 1\n" * 500 + "KeyError: 'age'"
    shown = _render.card("job", [("error", trace)])

    assert "KeyError: &#39;age&#39;" in shown and "Traceback\n" in shown and len(shown) < 8000
    assert shown.count("…") == 1


# ---------------------------------------------------------------------- values, lists and iterators


@dataclass(frozen=True)
class Fruit(_render.Card):
    """A value."""

    name: str
    tree_height: float = 1.5
    secret: str = field(default="not shown", repr=False)


def test_a_value_shows_the_fields_of_its_repr() -> None:
    shown = Fruit("apple")._repr_html_()

    assert "Fruit" in shown and "apple" in shown and "tree height" in shown and "not shown" not in shown


def test_a_list_shows_a_row_an_element_and_so_does_a_part_of_it() -> None:
    fruits = _render.Rows([Fruit("apple"), Fruit("pear"), Fruit("plum")])

    assert fruits == [Fruit("apple"), Fruit("pear"), Fruit("plum")]
    assert "3 Fruits" in fruits._repr_html_() and "plum" in fruits._repr_html_()
    assert "2 Fruits" in fruits[:2]._repr_html_() and "plum" not in fruits[:2]._repr_html_()
    assert fruits[2] == Fruit("plum")
    assert "an empty list" in fruits[3:]._repr_html_()


def test_an_iterator_shows_what_was_read_of_it_and_reads_nothing_to_show_it() -> None:
    asked: list[str] = []

    def source() -> object:
        for name in ("apple", "<pear>"):
            asked.append(name)
            yield Fruit(name)

    found = _render.Noted(source(), "fruits of 'garden'")  # type: ignore[arg-type, var-annotated]
    assert repr(found) == "<fruits of 'garden': nothing read yet; read it with list(…) or in a for loop>"
    assert "nothing read yet" in found._repr_html_() and asked == []

    assert next(found) == Fruit("apple")
    assert repr(found) == "<fruits of 'garden': 1 read so far>"
    assert [one.name for one in found] == ["<pear>"]
    assert repr(found) == "<fruits of 'garden': 2 read, that is all>"
    assert "apple" in found._repr_html_() and "&lt;pear&gt;" in found._repr_html_()


# ---------------------------------------------------------------------- the timeline


def bars(worker: str = "process000", count: int = 1, **more: int) -> tuple[_render.Bar, ...]:
    given = {"mini_batches": 1, "items": 10, "items_failed": 0, "failed": 0, "partial": 0, "lost": 0, **more}
    return tuple(
        _render.Bar(worker, 100.0 + number, 100.9 + number, number, number, **given) for number in range(count)
    )


def test_a_timeline_has_a_lane_a_worker_and_a_bar_a_try_that_says_what_became_of_it() -> None:
    told = (
        *bars(count=2),
        *bars("process001", failed=1, items_failed=10),
        *bars("process002", partial=1, items_failed=3),
        *bars("process003", mini_batches=0, items=0, lost=1),
    )

    shown = _render.timeline_svg(_render.Timeline(told, 5))

    titles = [html.unescape(one) for one in re.findall(r"<title>(.*?)</title>", shown)]
    assert titles == [
        "mini-batch 0: succeeded, 10 files, 0.9 s, from 0 s",
        "mini-batch 1: succeeded, 10 files, 0.9 s, from 1 s",
        "mini-batch 0: failed, 10 files, 10 failed, 0.9 s, from 0 s",
        "mini-batch 0: some files failed, 10 files, 3 failed, 0.9 s, from 0 s",
        "mini-batch 0: tried again, 0.9 s, from 0 s",
    ]
    assert all(f">process00{number}</text>" in shown for number in range(4))
    assert "1 more workers" in shown
    assert {"succeeded", "some files failed", "failed", "tried again"} <= set(re.findall(r">([\w ]+)</text>", shown))


def test_the_largest_timeline_stays_below_200_kilobytes() -> None:
    names = [f"process{number:03}" for number in range(40)]
    several = {"mini_batches": 12_345, "items": 123_450, "items_failed": 99, "failed": 12, "lost": 34}
    told = tuple(bar for name in names for bar in bars(name, count=15, **several))

    timeline = _render.timeline_svg(_render.Timeline(told, 64))
    shown = _render.live(_render.View(_render.BarState("j", "Running", 1, 0, 2), timeline=timeline))

    assert len(told) == 600
    assert len(shown.encode()) < 200_000
    assert "24 more workers" in shown and "a bar stands for several mini-batches" in shown


def test_no_bars_make_no_timeline_and_an_answer_that_is_none_is_passed_over() -> None:
    assert _render.timeline_svg(_render.Timeline()) == ""
    assert _render.Timeline.from_wire(None) == _render.Timeline()
    assert _render.Timeline.from_wire({"bars": [["a", 1], "x", ["w", *"0123456789"]], "workers": 1}).bars == ()
    good = ["w", 1.0, 2.0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert _render.Timeline.from_wire({"bars": [good], "workers": 1}).bars == (_render.Bar("w", *good[1:]),)  # type: ignore[arg-type]
