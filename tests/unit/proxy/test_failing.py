"""What workers tell of targets that fail, together."""

import pytest

from hostess_proxy.control import failing
from hostess_proxy.control.failing import Failing, Unasked


async def test_all_workers_are_added_up() -> None:
    """What several workers tell of a target is one answer, which is given once; the newest says how, and whether it is out."""
    heard = Failing()
    heard.hear({"op": "failing", "targets": {"10.0.0.2:80": [2, "connect", False]}})
    heard.hear({"op": "failing", "targets": {"10.0.0.2:80": [3, "closed", True], "10.0.0.3:80": [1, "invalid", False]}})

    assert await heard.next(1.0) == {"10.0.0.2:80": (5, "closed", True), "10.0.0.3:80": (1, "invalid", False)}
    assert await heard.next(0.0) == {}


async def test_what_is_old_is_no_reason_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has asked for is forgotten, and of too many targets no more are remembered."""
    heard = Failing()
    monkeypatch.setattr(failing, "MAX_TARGETS", 1)
    heard.hear({"targets": {"10.0.0.2:80": [1, "connect", False], "10.0.0.3:80": [1, "connect", False]}})
    assert set(await heard.next(1.0)) == {"10.0.0.2:80"}
    heard.hear({"targets": {"10.0.0.2:80": [1, "connect", False]}})
    monkeypatch.setattr(failing, "STALE_SECONDS", 0.0)

    assert await heard.next(0.0) == {}


async def test_messages_are_told_apart() -> None:
    """Calls for what sleeps and what fails come by one way; of an older worker's message nothing is missing."""
    unasked = Unasked()
    unasked.hear({"op": "wanted", "routes": [["p", "web", "a.x", "/"]]})
    unasked.hear({"op": "failing", "targets": {"10.0.0.2:80": [1, "connect", False]}})

    assert await unasked.calls.next(1.0) == [("p", "web", "a.x", "/")]
    assert set(await unasked.failing.next(1.0)) == {"10.0.0.2:80"}
