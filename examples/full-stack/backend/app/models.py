"""What is in the database."""

from datetime import datetime

from sqlalchemy import DateTime, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables."""


class Tick(Base):
    """One tick of the clock: the scheduler that sent it and when, the worker that took it."""

    __tablename__ = "ticks"

    id: Mapped[int] = mapped_column(primary_key=True)
    beat: Mapped[str] = mapped_column(String(64))
    sent_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    worker: Mapped[str] = mapped_column(String(64))
