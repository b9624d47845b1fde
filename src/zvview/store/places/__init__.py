"""Where stores lie: one file per kind of place, each answering waves of keys; see :mod:`.source` for the contract."""
