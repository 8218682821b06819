"""Jobs: when they fire."""
