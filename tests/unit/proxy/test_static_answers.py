"""Encodings, conditions and ranges of requests for files."""

import pytest

from hostess_proxy.static.answers import Span, Unsatisfiable, accepted, asked, span, unchanged

TAG = '"abc"'
DAY = "Tue, 15 Nov 1994 12:45:26 GMT"


@pytest.mark.parametrize(
    ("value", "coding"),
    [("gzip", "gzip"), ("gzip, br", "br"), ("br;q=0, gzip;q=0.5", "gzip"), ("*", "br"), ("gzip;q=0, *;q=0", ""),
     ("identity", ""), ("gzip;q=x", ""), ("", "")],
)  # fmt: skip
def test_encodings(value: str, coding: str) -> None:
    """The best coding of ours that the client allows is taken; q=0 forbids."""
    assert accepted(value, ("br", "gzip")) == coding


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"if-none-match": TAG}, True),
        ({"if-none-match": f'"x", W/{TAG}'}, True),
        ({"if-none-match": "*"}, True),
        ({"if-none-match": '"x"', "if-modified-since": DAY}, False),
        ({"if-modified-since": DAY}, True),
        ({"if-modified-since": "Wed, 16 Nov 1994 12:45:26 GMT"}, False),
        ({}, False),
    ],
)
def test_conditions(fields: dict[str, str], same: bool) -> None:
    """If-None-Match decides alone where it is there, and times have to be equal."""
    assert unchanged(fields, TAG, DAY) is same


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes=0-9", Span(0, 10)),
        ("bytes=90-", Span(90, 10)),
        ("bytes=90-500", Span(90, 10)),
        ("bytes=-5", Span(95, 5)),
        ("bytes=-500", Span(0, 100)),
        ("bytes=0-1,5-6", None),
        ("bytes=5-1", None),
        ("bytes=-", None),
        ("items=0-1", None),
        ("bytes=a-b", None),
    ],
)
def test_ranges(value: str, part: Span | None) -> None:
    """One range, from either end, is cut to the file; several, and what is none, mean the whole file."""
    assert span({"range": value}, 100, TAG, DAY) == part


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_ranges_outside(value: str) -> None:
    """A range that the file has nothing of cannot be satisfied."""
    with pytest.raises(Unsatisfiable):
        span({"range": value}, 100, TAG, DAY)


def test_if_range() -> None:
    """A range of another version of the file means the whole of this one."""
    assert span({"range": "bytes=0-1", "if-range": TAG}, 100, TAG, DAY) == Span(0, 2)
    assert span({"range": "bytes=0-1", "if-range": DAY}, 100, TAG, DAY) == Span(0, 2)
    assert span({"range": "bytes=0-1", "if-range": '"old"'}, 100, TAG, DAY) is None


def test_only_what_matters_is_read() -> None:
    """Fields are found whatever their case, and repeated ones are joined."""
    assert asked(b'If-None-Match: "a"\r\nX: y\r\nif-none-match: "b"\r\n') == {"if-none-match": '"a", "b"'}
