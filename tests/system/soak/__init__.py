"""A machine of its own for a while, on which everything is done that a user does while everything fails that can."""
