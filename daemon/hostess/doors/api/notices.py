"""Whether notices arrive."""

from hostess.doors.api.operation import Call, Nothing, View, op


class NoticeOutcome(View):
    """What became of one notice; *answer* is what the other side said, or what went wrong."""

    channel: str
    taken: bool
    answer: str


class NoticeOutcomes(View):
    """One for each channel that is set."""

    items: tuple[NoticeOutcome, ...]


@op("POST /v1/notices/test", "admin", returns=NoticeOutcomes)
async def try_notices(call: Call, _: Nothing) -> NoticeOutcomes:
    """Send a notice by each channel now, and tell what each answered."""
    found = await call.services.notifier.test()
    outcomes = [NoticeOutcome(channel=each.channel, taken=each.taken, answer=each.answer) for each in found]
    await call.audit(
        "notices.tried", "sent a notice to try the channels", {"channels": [each.channel for each in found]}
    )
    return NoticeOutcomes(items=tuple(outcomes))


OPERATIONS = (try_notices,)
