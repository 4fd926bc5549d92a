"""Loads a server: ``python benchmarks/serving.py MODEL IMAGES…``.

64 clients, each with a connection that is kept, send the next request when the last is answered,
for a minute, with one image a request and with 16. Every text is compared with what ``Recognizer``
reads offline. Throughput is compared with that of ``Recognizer`` on a list of the same files' bytes
in the server's batch size, measured in a process of its own before and after each load, and so is
the processor time an image, which other work on the machine disturbs less. The clients run on the
same machine and their time is reported.
"""

import argparse
import asyncio
import base64
import glob
import http.client
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
PORT = 18555
PREDICT = "/v1/models/aocr:predict"


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, run: "Load", number: int) -> None:
        self.run, self.next, self.buffer = run, number * 7, b""

    def connection_made(self, transport: Any) -> None:
        """Begins."""
        self.transport = transport
        self.send()

    def send(self) -> None:
        """Sends the next request, or ends."""
        if time.perf_counter() >= self.run.end:
            self.transport.close()
            return
        self.number = self.next % len(self.run.requests)
        self.next += 1
        self.start = time.perf_counter()
        self.transport.write(self.run.requests[self.number])

    def data_received(self, data: bytes) -> None:
        """Takes an answer."""
        self.buffer += data
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        if not blank or len(body) < length:
            return
        self.buffer = b""
        self.run.seconds.append(time.perf_counter() - self.start)
        self.run.check(head, body, self.number)
        self.send()

    def connection_lost(self, error: Exception | None) -> None:
        """Ends; a connection that the server ended is an error."""
        if time.perf_counter() < self.run.end:
            self.run.errors.append(f"connection lost ({error})")
        self.run.left -= 1
        if not self.run.left:
            self.run.done.set()


class Load:
    """Many clients for a while."""

    def __init__(self, data: list[bytes], texts: list[str], instances: int) -> None:
        self.requests, self.texts = [], []
        for first in range(0, len(data) - instances + 1, instances):
            chosen = data[first : first + instances]
            rows = [{"b64": base64.b64encode(one).decode()} for one in chosen]
            body = json.dumps({"instances": rows}).encode()
            head = f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            self.requests.append(head.encode() + body)
            self.texts.append(texts[first : first + instances])
        self.seconds: list[float] = []
        self.errors: list[str] = []

    def check(self, head: bytes, body: bytes, number: int) -> None:
        """Compares an answer's texts."""
        if head.split(b" ", 2)[1] != b"200":
            self.errors.append(body[:200].decode())
        elif [one["output"] for one in json.loads(body)["predictions"]] != self.texts[number]:
            self.errors.append("a text differs from what is read offline")

    async def __call__(self, clients: int, seconds: float) -> float:
        """Runs; returns the seconds that it took."""
        self.left, self.done = clients, asyncio.Event()
        start = time.perf_counter()
        self.end = start + seconds
        loop = asyncio.get_running_loop()
        for number in range(clients):
            await loop.create_connection(lambda n=number: Client(self, n), "127.0.0.1", PORT)  # type: ignore[misc]
        await asyncio.wait_for(self.done.wait(), seconds + 120)
        return time.perf_counter() - start


def read_images(patterns: list[str]) -> list[bytes]:
    """Returns the files' bytes."""
    names = sorted(name for pattern in patterns for name in glob.glob(pattern))
    return [Path(name).read_bytes() for name in names]


def offline(model: str, patterns: list[str], batch: int, seconds: float) -> None:
    """Reads the images over and over; prints images a second, CPU seconds an image and texts."""
    from aocr_plugin import Recognizer

    data = read_images(patterns)
    recognizer = Recognizer(model, batch_size=batch)
    texts = [found.text for found in recognizer(data)]
    done, start, busy = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        recognizer(data)
        done += len(data)
    rate = done / (time.perf_counter() - start)
    print(json.dumps([rate, (time.process_time() - busy) / done, texts]))


def run_offline(args: argparse.Namespace) -> tuple[float, float, list[str]]:
    """Runs :func:`offline` in a process of its own."""
    words = [sys.executable, __file__, args.model, *args.images, "--batch", str(args.batch)]
    words += ["--offline", str(args.offline_seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout.splitlines()[-1]))


def family(pid: int) -> list[int]:
    """Returns a process and its children."""
    found = [pid]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


def used(pid: int) -> tuple[float, float]:
    """Returns the CPU seconds and the resident MiB of a process and its children."""
    ticks = memory = 0.0
    for one in family(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
        memory += int(fields[21]) * resource.getpagesize() / 2**20
    return ticks / os.sysconf("SC_CLK_TCK"), memory


def start_server(args: argparse.Namespace) -> tuple[subprocess.Popen[bytes], float]:
    """Starts the server; returns it and the seconds until it was ready."""
    start = time.perf_counter()
    words = [sys.executable, str(ROOT / "tools/serve.py"), args.model, "--port", str(PORT)]
    words += ["--max-batch", str(args.batch), "--log-level", "warning", *args.flags.split()]
    process = subprocess.Popen(words)
    while process.poll() is None:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT)
            connection.request("GET", "/v2/health/ready")
            if connection.getresponse().status == 200:
                return process, time.perf_counter() - start
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server ended")


def measure(args: argparse.Namespace, pid: int, data: list[bytes], size: int) -> dict[str, Any]:
    """Loads the server with requests of ``size`` images; offline speed before and after."""
    before = run_offline(args)
    load = Load(data, before[2], size)
    asyncio.run(Load(data, before[2], size)(args.clients, min(3, args.seconds)))  # warm-up
    busy, own = used(pid)[0], time.process_time()
    took = asyncio.run(load(args.clients, args.seconds))
    images = len(load.seconds) * size
    busy, own = (used(pid)[0] - busy) / images, (time.process_time() - own) / images
    after = run_offline(args)
    rate, alone = images / took, statistics.mean([before[0], after[0]])
    cpu = statistics.mean([before[1], after[1]])
    ordered = sorted(load.seconds)
    return {
        "images_a_request": size,
        "requests": len(ordered),
        "errors": len(load.errors),
        "first_errors": load.errors[:3],
        "images_a_second": rate,
        "offline_images_a_second": [before[0], after[0]],
        "share_of_offline": rate / alone,
        "cpu_ms_an_image": {"server": busy * 1e3, "offline": cpu * 1e3, "clients": own * 1e3},
        "share_of_offline_by_cpu": cpu / busy,
        "latency_ms": {
            name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        },
    }


def main() -> None:
    """Measures, prints and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("images", nargs="+", help="files or patterns")
    for flag, value in (
        ("clients", 64),
        ("seconds", 60.0),
        ("batch", 32),
        ("offline-seconds", 10.0),
    ):
        parser.add_argument(f"--{flag}", type=type(value), default=value)
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--flags", default="", help="for tools/serve.py")
    parser.add_argument("--out", default=str(ROOT / "benchmarks/results/serving.json"))
    parser.add_argument("--offline", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.offline:
        offline(args.model, args.images, args.batch, args.offline)
        return
    data = read_images(args.images)
    process, started = start_server(args)
    try:
        loads = [measure(args, process.pid, data, size) for size in args.instances]
        memory = used(process.pid)[1]
    finally:
        process.terminate()
        process.wait(60)
    result = {
        "model": Path(args.model).name,
        "images": len(data),
        "mean_bytes": sum(map(len, data)) / len(data),
        **{key: getattr(args, key) for key in ("clients", "seconds", "batch", "flags")},
        "cores": len(os.sched_getaffinity(0)),
        "start_s": started,
        "memory_mib": memory,
        "loads": loads,
    }
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    Path(args.out).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
