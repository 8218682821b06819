"""A failure told to a person: what happened, what still serves, what to do next."""


class Problem(Exception):  # noqa: N818 -- the field's own term (RFC 9457)
    """Something a person can act upon; anything else that is raised is a bug of ours.

    *code* is stable and made of lower-case words joined by hyphens ("build-failed"); the three sentences are for people and
    carry no secret. *place* is where in a file, as "hostess.yml:3:7"; *tail* the last lines that a container or a build said.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        serving: str = "",
        remedy: str = "",
        place: str = "",
        tail: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code, what)
        self.code = code
        self.what = what
        self.serving = serving
        self.remedy = remedy
        self.place = place
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what

    def but(self, *, serving: str | None = None, remedy: str | None = None) -> "Problem":
        """Return the same problem with what a caller higher up knows better."""
        return Problem(
            self.code,
            self.what,
            serving=self.serving if serving is None else serving,
            remedy=self.remedy if remedy is None else remedy,
            place=self.place,
            tail=self.tail,
        )
