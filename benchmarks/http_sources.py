"""Which client reads a wave of cells over http fastest? obstore, fsspec, and each through zarr's wrapper.

A loopback server in another process answers 400 objects of 20 kB after a fixed delay each; medians of five waves, 64
requests in flight. Prints one JSON object. ``python benchmarks/http_sources.py``; needs obstore, fsspec and aiohttp.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

import fsspec
from fsspec.implementations.http import HTTPFileSystem
from obstore.store import HTTPStore
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import FsspecStore, ObjectStore

from zvview.store.places.io_loop import gather_bounded, run_on_loop
from zvview.store.places.remote import RemoteSource

OBJECTS, SIZE, ROUNDS, DELAYS = 400, 20_000, 5, (0.0, 0.02, 0.08)


def serve(delay: float, port_to: Connection) -> None:
    """Answer every request with the same bytes after `delay` seconds."""
    body = bytes(SIZE)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(delay)
            self.send_response(200)
            self.send_header("Content-Length", str(SIZE))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    port_to.send(server.server_port)
    server.serve_forever()


def median_ms(wave: Callable[[], object]) -> float:
    """Median time of a wave in milliseconds, after one to open the connections."""
    wave()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        wave()
        times.append(time.perf_counter() - start)
    return round(statistics.median(times) * 1e3, 1)


def measure(address: str) -> dict[str, float]:
    """Milliseconds per wave for each client."""
    keys = [f"c/{i}" for i in range(OBJECTS)]
    client = HTTPStore(address, client_options={"allow_http": True})
    files = HTTPFileSystem(asynchronous=True, skip_instance_cache=True)
    prototype = default_buffer_prototype()
    through = {"zarr ObjectStore": ObjectStore(client, read_only=True)}
    through["zarr FsspecStore"] = FsspecStore(files, read_only=True, path=address)

    async def obstore(key: str) -> object:
        return await (await client.get_async(key)).bytes_async()

    async def by_fsspec(key: str) -> object:
        return await files._cat_file(f"{address}/{key}")

    async def by_zarr(store: ObjectStore | FsspecStore, key: str) -> object:
        return await store.get(key, prototype)

    calls: dict[str, Callable[[str], Awaitable[object]]] = {"obstore": obstore, "fsspec": by_fsspec}
    calls |= {name: partial(by_zarr, store) for name, store in through.items()}
    result = {
        name: median_ms(lambda call=call: run_on_loop(gather_bounded([partial(call, key) for key in keys])))
        for name, call in calls.items()
    }
    source = RemoteSource(address)
    result["zvview"] = median_ms(lambda: source.get_many([(key, None) for key in keys]))
    run_on_loop(close(files))
    return result


async def close(files: HTTPFileSystem) -> None:
    """Close the session that fsspec leaves open."""
    session = await files.set_session()
    await session.close()
    await asyncio.sleep(0)


def main() -> None:
    """Measure at each delay and print JSON."""
    spawn = multiprocessing.get_context("spawn")
    results = {}
    for delay in DELAYS:
        here, there = spawn.Pipe()
        server = spawn.Process(target=serve, args=(delay, there), daemon=True)
        server.start()
        results[f"{delay * 1e3:g} ms"] = measure(f"http://127.0.0.1:{here.recv()}")
        server.terminate()
        server.join()
    print(json.dumps({"objects": OBJECTS, "bytes": SIZE, "fsspec": fsspec.__version__, "wave_ms": results}, indent=1))


if __name__ == "__main__":
    main()
