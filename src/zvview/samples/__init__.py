"""Stores to look at: real ones made of data files of other packages, and synthetic ones; kept in a cache folder.

>>> from zvview.samples import find_sample, prepare_sample
>>> find_sample("cells").title
'Cells (points with types)'
>>> prepare_sample(find_sample("cells"))  # doctest: +SKIP
"""

from zvview.samples.cache import prepare_sample, sample_folder, sample_place
from zvview.samples.catalogue import SAMPLES, find_sample
from zvview.samples.sample import Look, Sample, Stop

__all__ = ["SAMPLES", "Look", "Sample", "Stop", "find_sample", "prepare_sample", "sample_folder", "sample_place"]
