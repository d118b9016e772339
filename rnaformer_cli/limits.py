"""Limits on the size of inputs: far above real use, but small enough for the memory.

A larger input is an error that names the limit. The number of records is not limited, because they
are read one by one.
"""

from __future__ import annotations

MAX_LINE = 100_000_000  # letters; JSON with all pairs of a record of 2,000 bases has 50 million
MAX_BASES = 10_000_000  # of a record; pair predictors can hold about 100,000
MAX_REACTIVITIES = 100_000_000  # of a file; they are held in memory
MAX_CONSTRAINTS = 10_000_000  # of a .CON file; they are held in memory
MAX_CONFIG_BYTES = 10_000_000  # of a config: real ones have 2 kB
MAX_CONFIG_TEXT = 100_000  # bytes of a YAML or TOML config; real ones have 2 kB
MAX_CONFIG_DEPTH = 20  # of nested lists and sections
MAX_CONFIG_BRACKETS = 500  # opening brackets of a YAML config; parsing time grows quadratically
MAX_TENSOR_BYTES = 2_000_000_000  # of a file of tensors; published weights have 130 MB
MAX_PICKLE_STEPS = 200_000  # instructions that name tensors; published files have 3,000
MAX_ALIGNMENT = 200_000_000  # letters of one Stockholm file, which is held in memory
MAX_DOWNLOAD_BYTES = 4_000_000_000  # of one file; published weights have 130 MB
MIN_DOWNLOAD_RATE = 1_000  # bytes per second over DOWNLOAD_WINDOW_SECONDS; 130 MB in 36 hours
DOWNLOAD_WINDOW_SECONDS = 60.0
MAX_FETCH_SECONDS = 172_800.0  # of all files together: two days
