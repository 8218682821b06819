"""What follows from what DNS says."""
