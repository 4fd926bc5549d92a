"""What a server is told when it starts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """A server's settings.

    Attributes:
        model: what ``Recognizer`` takes.
        name: of the model, in the addresses.
        version: of the model, in the addresses.
        workers: processes that hold the model.
        max_batch: images that go through the network together.
        batch_wait: seconds that a batch waits for more images while the workers are idle.
        max_bytes: of a request's body.
        max_held: bytes of all requests' bodies at a time.
        max_pixels: of an image, read from its header before it is decoded.
        max_width: of an image in pixels, once it has the network's height.
        max_instances: images of one request.
        queue: images that may wait; one more and the request is refused.
        timeout: seconds from a request's head to its answer; what takes longer is given up.
        strict: "probability" is the original's, the product over all steps.
        device: of ``Recognizer``.
        runtime: of ``Recognizer``.
        precision: of ``Recognizer``.
        threads: of each worker; None shares the cores out.
        start_timeout: seconds that the workers have to load the model.
    """

    model: str
    name: str = "aocr"
    version: int = 1
    workers: int = 1
    max_batch: int = 32
    batch_wait: float = 0.002
    max_bytes: int = 32 << 20
    max_held: int = 256 << 20
    max_pixels: int = 16_000_000
    max_width: int = 8192
    max_instances: int = 256
    queue: int = 1024
    timeout: float = 30.0
    strict: bool = False
    device: str | None = None
    runtime: str | None = None
    precision: str | None = None
    threads: int | None = None
    start_timeout: float = 300.0
