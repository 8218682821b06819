"""What a message ends with that is none: the one exception of everything that reads what others send."""


class Refused(Exception):  # noqa: N818 -- what is refused is the message, not our work
    """A message that has no single reading, or breaks a limit. *status* is what its sender is told; *code* is stable."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status = status
        self.code = code
