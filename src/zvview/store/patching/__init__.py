"""Changes of a level in place: a store with changes laid over it in memory, and some chunks of a level made anew."""
