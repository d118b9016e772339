"""Chemical probing data: files, matching to records, log-likelihood ratios of bases."""
