"""What routes ask of a request before it is sent on, and what they change of it."""
