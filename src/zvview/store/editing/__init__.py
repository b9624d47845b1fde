"""Edits of level 0: what they come to, how they are made, undone and kept, and how they become cells."""
