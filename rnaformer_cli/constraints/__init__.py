"""Structure constraints: file formats, matching to records."""
