"""Words and numbers for people: what is said on the pages, and how numbers are written."""
