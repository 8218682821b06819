"""What is true of certificates."""
