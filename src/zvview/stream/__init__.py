"""The streaming engine: what a view needs of a store of any size, read in the background; no viewer in sight."""

from zvview.stream.filtering import Filter
from zvview.stream.projection import Projection
from zvview.stream.settings import StreamSettings
from zvview.stream.statistics import StreamStatistics
from zvview.stream.streamer import Streamer
from zvview.stream.update import Status, Update
from zvview.stream.view import ViewState

__all__ = ["Filter", "Projection", "Status", "StreamSettings", "StreamStatistics", "Streamer", "Update", "ViewState"]
