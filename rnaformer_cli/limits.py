"""How large what is read may be: far above all real use, far below what hurts a machine.

A file that asks for more is refused with a message that names the limit. Records have no
largest number: they are read one by one.
"""

from __future__ import annotations

MAX_LINE = 100_000_000  # letters; a record with all pairs of 2,000 bases is a line of 50 million
MAX_BASES = 10_000_000  # of a record: a hundred times what any predictor of pairs can hold
MAX_REACTIVITIES = 100_000_000  # of a file, which are held: 50,000 mRNAs of 2,000 bases
MAX_CONFIG_BYTES = 10_000_000  # of a config: real ones have 2 kB
MAX_CONFIG_TEXT = 100_000  # bytes of a config that people write, YAML or TOML; real ones have 2 kB
MAX_CONFIG_DEPTH = 20  # of lists and sections in each other
MAX_CONFIG_BRACKETS = 500  # that open in a YAML config, whose time grows with their square
MAX_TENSOR_BYTES = 2_000_000_000  # of a file of tensors; published weights have 130 MB
MAX_PICKLE_STEPS = 200_000  # instructions that name tensors; published files have 3,000
MAX_ALIGNMENT = 200_000_000  # letters of one Stockholm file, which is held whole
MAX_DOWNLOAD_BYTES = 4_000_000_000  # of one file; published weights have 130 MB
MIN_DOWNLOAD_RATE = 1_000  # bytes a second over DOWNLOAD_WINDOW_SECONDS; 130 MB would take 36 hours
DOWNLOAD_WINDOW_SECONDS = 60.0
