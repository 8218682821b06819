"""A pushed tree to images and folders of files."""
