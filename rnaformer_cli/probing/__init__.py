"""Chemical probing data: files of reactivities, and the records that they belong to."""
