"""What is true of the client for ACME authorities."""
