"""What the corpus keeps of a file's text; every edit is proven or undone."""
