"""What was read on a page. Needs no PyTorch."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Region:
    """A piece of text on a page.

    Attributes:
        polygon: its outline as the detector gave it, (x, y) in pixels of the page.
        text: what was read.
        score: the recogniser's, as :class:`aocr_plugin.Prediction` has it.
        detection_score: the detector's.
        line: number of its line, from 0.
    """

    polygon: list[tuple[float, float]]
    text: str
    score: float
    detection_score: float
    line: int


@dataclass(frozen=True)
class PageText:
    """A page.

    Attributes:
        source: the image's file name, where it had one.
        width: of the page in pixels, upright as its EXIF data say.
        height: of the page in pixels.
        regions: in reading order; empty where there is no text.
        error: why the page could not be read, or None.
        turn: by how many degrees to the left it was turned to be read; the polygons are on the
            page as it was.
        page: its number in a file of several pages, from 1, or None.
    """

    source: str | None
    width: int
    height: int
    regions: list[Region]
    error: str | None = None
    turn: int = 0
    page: int | None = None

    @property
    def text(self) -> str:
        """All text: blanks between the regions of a line, a line break between lines."""
        lines: dict[int, list[str]] = {}
        for region in self.regions:
            lines.setdefault(region.line, []).append(region.text)
        return "\n".join(" ".join(words) for words in lines.values())

    def to_dict(self) -> dict[str, Any]:
        """Returns the page as a JSON object."""
        if self.error is not None:
            return {"file": self.source, "error": self.error}
        return {
            "file": self.source,
            **({"page": self.page} if self.page else {}),
            "width": self.width,
            "height": self.height,
            "turn": self.turn,
            "text": self.text,
            "regions": [
                {
                    "order": order,
                    "line": region.line,
                    "polygon": [[round(x, 2), round(y, 2)] for x, y in region.polygon],
                    "text": region.text,
                    "score": round(region.score, 6),
                    "detection_score": round(region.detection_score, 6),
                }
                for order, region in enumerate(self.regions)
            ],
        }
