"""The voice of one deployment: redacted, kept, and heard by its pusher."""

from hostess.domain.ports import Redactor, Transcripts
from hostess.domain.releases.push import Say


class Teller:
    """Says a deployment's lines, redacted, to its transcript and its pusher, until it ends: builds may speak on from their threads."""

    def __init__(self, deployment: str, transcripts: Transcripts, redactor: Redactor, say: Say | None) -> None:
        self._deployment = deployment
        self._transcripts = transcripts
        self._redactor = redactor
        self._say = say
        self._ended = False

    def __call__(self, text: str) -> None:
        """Say a text, line by line."""
        if self._ended:
            return
        for line in self._redactor.hide(text).splitlines() or [""]:
            self._transcripts.write(self._deployment, line)
            if self._say is not None:
                self._say(line)

    def end(self) -> None:
        """Close the transcript: its followers end."""
        self._ended = True
        self._transcripts.close(self._deployment)
