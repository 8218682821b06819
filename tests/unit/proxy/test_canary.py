"""Who is for the canary."""

import pytest

from hostess_proxy.routes.canary import Shown, is_for_canary, place, shown
from hostess_proxy.tables.table import Canary

IDS = [b"%032x" % number for number in range(1000)]


def those_in(percent: float, release: str = "8") -> set[bytes]:
    """Return the clients that are for the canary."""
    canary = Canary(release, (), percent)
    return {value for value in IDS if is_for_canary(canary, Shown(value))}


def test_percentage() -> None:
    """Of a thousand clients about as many are in as the percentage says, and always the same."""
    some = those_in(20)

    assert 150 <= len(some) <= 250
    assert those_in(20) == some
    assert those_in(0) == set()
    assert those_in(100) == set(IDS)


def test_raising_the_percentage() -> None:
    """With a higher percentage all stay in who were."""
    assert those_in(5) < those_in(20) < those_in(60)


def test_another_release() -> None:
    """Another release is tried out on others."""
    assert those_in(20, "8") != those_in(20, "9")


def test_places() -> None:
    """A place is a number from 0 up to 100."""
    places = [place(value, "8") for value in IDS]

    assert min(places) >= 0
    assert max(places) < 100


def test_without_cookie() -> None:
    """Who shows nothing is not for the canary, even at 100 percent."""
    assert not is_for_canary(Canary("8", (), 100), Shown())


@pytest.mark.parametrize("request_shows", [Shown(cookie=b"yes"), Shown(header=b"yes")])
def test_listed_values(request_shows: Shown) -> None:
    """A listed value, in cookie or header, is for the canary, even at 0 percent; other values are not."""
    assert is_for_canary(Canary("8", (), 0, "X-Canary", ("no", "yes")), request_shows)
    assert not is_for_canary(Canary("8", (), 0, "X-Canary", ("no",)), request_shows)


def test_what_a_request_shows() -> None:
    """Cookie and header are found among other fields, whatever the case of their names."""
    lines = b"Accept: */*\r\nx-canary:  yes \r\nCookie: a=1; hostess_canary=abc ;b=2\r\n"

    assert shown(lines, b"x-canary") == Shown(b"abc", b"yes")
    assert shown(lines, b"") == Shown(b"abc", b"")
    assert shown(b"Cookie: xhostess_canary=abc\r\n", b"x-canary") == Shown()
