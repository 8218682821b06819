"""hostess.yml: text to complete, checked values, with every mistake at its place."""
