"""The daemon's own log: lines for a terminal, JSON for the system's journal."""

import json
import logging
import sys
from datetime import UTC, datetime

from hostess.domain.settings import LogSettings


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(settings: LogSettings) -> None:
    """Send all log lines to standard error, in the form that the settings ask for."""
    plain = settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s") if plain else JsonFormatter())
    logging.basicConfig(level=settings.level.upper(), handlers=[handler], force=True)
    for chatty in ("apscheduler", "docker", "urllib3", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
