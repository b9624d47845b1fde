"""Writing a new store: batches in, sorted runs on the way, cells and metadata out.

``options`` says what is wanted, ``intake`` brings every kind of batch to one form, ``partition`` sorts it by chunk into
a run, ``runs`` keeps runs in memory or in a temporary folder, ``vertex_waves`` and ``link_waves`` see all runs as one,
``grid_cells``, ``objects`` and ``extras`` put cells and documents, ``level`` does one level, and ``store_writer`` is
the facade. Nothing is seen at the place before the very end.
"""
