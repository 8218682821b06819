"""What is wrong, and when that is told."""
