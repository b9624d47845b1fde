"""Foreign files in and out: one module for each format, found through :mod:`zvview.convert.registry`.

>>> from zvview.convert import Source, convert
>>> convert(Source("synapses.csv", unit="nanometer"), "synapses.zarrvectors")  # doctest: +SKIP
>>> convert("synapses.zarrvectors", "synapses.parquet")  # doctest: +SKIP
"""

from zvview.convert.converting import convert
from zvview.convert.making_stores import StoreOptions
from zvview.convert.reports import Report, Written
from zvview.convert.sources import Selection, Source

__all__ = ["Report", "Selection", "Source", "StoreOptions", "Written", "convert"]
