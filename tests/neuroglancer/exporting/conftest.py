"""A browser as the tests of the live view have it."""

from __future__ import annotations

from tests.neuroglancer.browser.conftest import page  # noqa: F401
