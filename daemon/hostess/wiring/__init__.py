"""Parts of the composition root, each about one matter."""
