"""Words and numbers of the page, in every language."""
