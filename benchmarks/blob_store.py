"""The embedded blob endpoint beside Azurite: small puts and gets, one large blob up and down, a list of many.

    python -m benchmarks.blob_store [--rounds 3] [--puts 3000] [--connections 16] [--large-mib 256] [--listed 20000]

Both servers run at once in processes of their own, on their own folders of the same disk, and take turns within each
round. Small requests come from a plain socket client that costs next to nothing, so that the server is measured; large
blobs go through azure-storage-blob (16 MiB blocks, four at once, with MD5). Azurite is installed on first use;
`--quick` leaves it out.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import uvicorn
from azure.storage.blob import BlobServiceClient

from azure_batch_endpoints.local.azurite import Azurite
from azure_batch_endpoints.local.blobstore import BlobStore, blob_app, container_signature
from azure_batch_endpoints.local.blobstore.protocol import BlobProtocol

ACCOUNT = "benchmark"
KEY = "YSBrZXkgZm9yIGJlbmNobWFya3MgYW5kIG5vdGhpbmcgZWxzZSBhdCBhbGwhISEhISE="
MIB = 1 << 20
BODY = b"x" * 1024
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


@dataclass
class Contender:
    """A running server, and what was measured of it: operation -> a figure a round."""

    name: str
    url: str
    pid: int
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, operation: str, value: float) -> None:
        """Keep a figure."""
        self.figures.setdefault(operation, []).append(value)

    def cpu_seconds(self) -> float:
        """Processor time the server has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        """Memory the server holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MIB

    def client(self) -> BlobServiceClient:
        """The official client, in large blocks."""
        text = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url}"
        return BlobServiceClient.from_connection_string(
            text, max_single_put_size=16 * MIB, max_block_size=16 * MIB, max_chunk_get_size=16 * MIB
        )


@dataclass
class Connection:
    """One keep-alive connection with at most one request under way."""

    socket: socket.socket
    received: bytes = b""

    def answer(self) -> bytes | None:
        """The whole answer once it has come."""
        self.received += self.socket.recv(MIB)
        head = self.received.find(b"\r\n\r\n")
        length = _LENGTH.search(self.received, 0, head) if head >= 0 else None
        if length is None or len(self.received) < head + 4 + int(length[1]):
            return None
        answer, self.received = self.received, b""
        return answer


def drive(url: str, requests: Iterator[bytes], connections: int) -> tuple[int, float]:
    """Send all requests, one at a time on each connection; return how many and the seconds it took."""
    parts = urlsplit(url)
    selector = selectors.DefaultSelector()
    done, begun = 0, time.perf_counter()
    for request in (next(requests) for _ in range(connections)):
        connection = Connection(socket.create_connection((str(parts.hostname), parts.port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket.sendall(request)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    while selector.get_map():
        for key, _ in selector.select():
            answer = key.data.answer()
            if answer is None:
                continue
            if not answer.startswith(b"HTTP/1.1 20"):
                raise RuntimeError(answer[:300].decode("latin-1"))
            done += 1
            request = next(requests, b"")
            if request:
                key.data.socket.sendall(request)
            else:
                selector.unregister(key.data.socket)
                key.data.socket.close()
    return done, time.perf_counter() - begun


def message(url: str, method: str, path: str, query: str, body: bytes = b"") -> bytes:
    """A request as bytes."""
    parts = urlsplit(url)
    head = (
        f"{method} {parts.path}/{path}?{query} HTTP/1.1\r\nHost: {parts.netloc}\r\nx-ms-version: 2021-12-02\r\n"
        f"x-ms-blob-type: BlockBlob\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def signature(container: str) -> str:
    """Leave to do everything in the container for an hour."""
    return container_signature(ACCOUNT, KEY, container, permissions="racwdl", valid_for=timedelta(hours=1))


def small(contender: Contender, count: int, connections: int) -> None:
    """Puts of 1 KiB, then gets of them."""
    container = fresh_container(contender)
    sas = signature(container)
    puts = (message(contender.url, "PUT", f"{container}/{n:07d}", sas, BODY) for n in range(count))
    gets = (message(contender.url, "GET", f"{container}/{n:07d}", sas) for n in range(count))
    for operation, requests in (("puts", puts), ("gets", gets)):
        before = contender.cpu_seconds()
        done, seconds = drive(contender.url, requests, connections)
        contender.note(f"{operation} of 1 KiB /s, {connections} connections", done / seconds)
        contender.note(f"{operation}: server CPU µs each", (contender.cpu_seconds() - before) / done * 1e6)


def large(contender: Contender, size_mib: int) -> None:
    """One large blob up and down."""
    data = os.urandom(MIB) * size_mib
    container = fresh_container(contender)
    with contender.client() as service, service.get_blob_client(container, "large") as blob:
        seconds = timed(lambda: blob.upload_blob(data, max_concurrency=4, validate_content=True))
        contender.note(f"upload of {size_mib} MiB, MiB/s", size_mib / seconds)
        seconds = timed(lambda: blob.download_blob(max_concurrency=4).readall())
        contender.note(f"download of {size_mib} MiB, MiB/s", size_mib / seconds)
        blob.delete_blob()


def listing(contender: Contender, container: str, count: int) -> None:
    """All pages of a list, read but not parsed."""
    marker, found, begun = "", 0, time.perf_counter()
    while True:
        query = f"restype=container&comp=list&marker={quote(marker, safe='')}&{signature(container)}"
        document = whole(contender.url, message(contender.url, "GET", container, query))
        found += document.count(b"<Blob>")
        next_marker = re.search(rb"<NextMarker>(.+?)</NextMarker>", document[-4096:])
        if next_marker is None:
            break
        marker = next_marker[1].decode()
    if found != count:
        raise RuntimeError(f"{contender.name} listed {found} of {count}")
    contender.note(f"list of {count:,}, s", time.perf_counter() - begun)


def whole(url: str, request: bytes) -> bytes:
    """One answer, however its length is told."""
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port)) as connection:
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        return b"".join(iter(lambda: connection.recv(MIB), b""))


def fresh_container(contender: Contender) -> str:
    """A new container's name."""
    name = f"b-{uuid.uuid4().hex}"
    with contender.client() as service:
        service.create_container(name)
    return name


def timed(action: Callable[[], object]) -> float:
    """The seconds an action takes."""
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


@contextmanager
def embedded(folder: Path) -> Iterator[Contender]:
    """The embedded endpoint, served by this same file in another process."""
    command = [sys.executable, __file__, "--serve", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the server has no pipes")
        port = int(process.stdout.readline())
        try:
            yield Contender("embedded", f"http://127.0.0.1:{port}/{ACCOUNT}", process.pid)
        finally:
            process.terminate()


def serve(folder: Path) -> None:
    """Serve a folder until terminated."""
    # Without the protocol's number event loops do not switch Nagle's algorithm off, which costs 40 ms an answer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener, BlobStore(folder) as store:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        app = blob_app(store, ACCOUNT, KEY)
        config = uvicorn.Config(app, http=BlobProtocol, loop="uvloop", log_level="warning", lifespan="off")
        print(listener.getsockname()[1], flush=True)
        asyncio.run(uvicorn.Server(config).serve([listener]))


def report(ours: Contender, theirs: Contender | None) -> None:
    """Medians side by side."""
    for operation, values in ours.figures.items():
        if theirs is None:
            print(f"{operation:38s} {ours.name} {statistics.median(values):10,.1f}")
            continue
        mine, other = statistics.median(values), statistics.median(theirs.figures[operation])
        ratio = mine / other if "/s" in operation else other / mine
        print(f"{operation:38s} {ours.name} {mine:10,.1f}   {theirs.name} {other:10,.1f}   ratio {ratio:5.2f}")
    held = ", ".join(f"{one.name} {one.resident_mib():.0f}" for one in (ours, theirs) if one)
    print(f"resident at the end, MiB: {held}")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--puts", type=int, default=3000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--large-mib", type=int, default=256)
    parser.add_argument("--listed", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where the stores go for the run; a temporary folder by default")
    parser.add_argument("--quick", action="store_true", help="one small round of the embedded endpoint alone")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.puts, options.large_mib, options.listed = 1, 200, 4, 200
    return options


def main() -> None:
    """Run all and print."""
    options = arguments()
    if options.serve:
        serve(options.serve)
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder)))
        theirs = None
        if not options.quick:
            azurite = stack.enter_context(Azurite(folder / "azurite", account=ACCOUNT, key=KEY))
            theirs = Contender("azurite", azurite.endpoint, azurite.pid or 0)
        ours = stack.enter_context(embedded(folder / "embedded"))
        measure([ours, theirs] if theirs else [ours], options)
        report(ours, theirs)


def measure(contenders: list[Contender], options: argparse.Namespace) -> None:
    """All rounds; who goes first changes from round to round."""
    for number in range(options.rounds):
        for contender in contenders[:: 1 if number % 2 else -1]:
            small(contender, options.puts, options.connections)
            small(contender, options.puts // 4, 1)
            if options.large_mib:
                large(contender, options.large_mib)
    containers = {contender.name: fresh_container(contender) for contender in contenders if options.listed}
    for contender in contenders if options.listed else []:
        name = containers[contender.name]
        sas = signature(name)
        puts = (message(contender.url, "PUT", f"{name}/folder/{n:07d}", sas, b"1") for n in range(options.listed))
        drive(contender.url, puts, options.connections)
    for _ in range(options.rounds if options.listed else 0):
        for contender in contenders:
            listing(contender, containers[contender.name], options.listed)


if __name__ == "__main__":
    main()
