"""Chemical probing data: reactivities, and what they say of each base."""
