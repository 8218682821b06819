"""Git intake."""
