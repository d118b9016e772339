"""Chemical probing data: file formats, matching to records, log-likelihood ratios of bases."""
