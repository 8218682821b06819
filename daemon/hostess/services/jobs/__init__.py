"""Jobs, schedules and one-off commands."""
