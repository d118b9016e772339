"""The folding model: its loop scores are fitted to structures and reactivities."""
