"""Lines that go to drains, as they look."""
