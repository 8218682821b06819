"""Where artefacts of backups lie, and how they are encrypted."""
