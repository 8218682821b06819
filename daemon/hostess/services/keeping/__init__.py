"""What keeps releases alive, and clears away what is over."""
