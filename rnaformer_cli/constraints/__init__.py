"""Structure constraints: files, matching to records."""
