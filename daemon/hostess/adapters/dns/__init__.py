"""DNS: asked, and written to."""
