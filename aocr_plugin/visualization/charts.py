"""Small charts as SVG for the report; colours come from the page's style."""

from collections.abc import Sequence

from aocr_plugin.evaluation.calibration import Bin as CalibrationBin
from aocr_plugin.visualization.report_stats import Bin

_W, _H = 360, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 10, 40


def _x(share: float) -> float:
    return round(_LEFT + share * (_W - _LEFT - _RIGHT), 1)


def _y(share: float) -> float:
    return round(_H - _BOTTOM - share * (_H - _TOP - _BOTTOM), 1)


def _svg(name: str, content: Sequence[str]) -> str:
    body = "".join(content)
    return f'<svg viewBox="0 0 {_W} {_H}" role="img" aria-label="{name}">{body}</svg>'


def _text(x: float, y: float, text: str, anchor: str = "middle") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'


def _frame(ticks: Sequence[tuple[float, str]], below: str) -> list[str]:
    """Returns the axes; ticks of the upright one as (share, text)."""
    parts = []
    for share, text in ticks:
        y = _y(share)
        parts.append(f'<line class="grid" x1="{_x(0)}" x2="{_x(1)}" y1="{y}" y2="{y}"/>')
        parts.append(_text(_LEFT - 5, y + 3.5, text, "end"))
    return [*parts, _text(_x(0.5), _H - 4, below)]


def _rect(left: float, right: float, low: float, high: float, kind: str, title: str) -> str:
    x, y = _x(left), _y(high)
    width, height = max(1.0, round(_x(right) - x, 1)), max(0.0, round(_y(low) - y, 1))
    return (
        f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="1.5">'
        f"<title>{title}</title></rect>"
    )


_SHARES = [(0.0, "0 %"), (0.5, "50 %"), (1.0, "100 %")]


def length_chart(bins: Sequence[Bin]) -> str:
    """Returns word accuracy against the length of the label; the fainter a bar, the fewer."""
    parts = _frame(_SHARES, "characters of the label")
    most = max((group.total for group in bins), default=1)
    for place, group in enumerate(bins):
        left, right = (place + 0.12) / len(bins), (place + 0.88) / len(bins)
        name = f"{group.low:.0f}" + (f"-{group.high:.0f}" if group.high > group.low else "")
        share = group.correct / group.total
        title = f"length {name}: {group.correct} of {group.total} right ({share:.1%})"
        faint = round(0.35 + 0.65 * (group.total / most) ** 0.5, 2)
        bar = _rect(left, right, 0, max(share, 0.004), "right", title)
        parts.append(f'<g opacity="{faint}">{bar}</g>')
        if len(bins) <= 8 or place % 2 == 0:
            parts.append(_text(_x((left + right) / 2), _H - _BOTTOM + 14, name))
    return _svg("word accuracy by length of label", parts)


def score_chart(bins: Sequence[Bin]) -> str:
    """Returns how many images have which score, right ones and wrong ones stacked."""
    most = max([group.total for group in bins] + [2])
    most += most % 2
    parts = _frame([(0.0, "0"), (0.5, f"{most // 2}"), (1.0, f"{most}")], "score of the text")
    for group in bins:
        left, right = group.low + 0.006, group.high - 0.006
        wrong = group.total - group.correct
        title = f"score {group.low:.2f}-{group.high:.2f}: {group.correct} right, {wrong} wrong"
        if group.correct:
            parts.append(_rect(left, right, 0, group.correct / most, "right", title))
        if wrong:
            low = group.correct / most
            parts.append(_rect(left, right, low, group.total / most, "wrong", title))
    parts += [_text(_x(v), _H - _BOTTOM + 14, f"{v:g}") for v in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _svg("images by score", parts)


def reliability_chart(bins: Sequence[CalibrationBin]) -> str:
    """Returns accuracy against score; on the diagonal a score is the chance of being right."""
    parts = _frame(_SHARES, "mean score of a tenth of the images")
    parts.append(f'<line class="diagonal" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>')
    points = [(_x(score), _y(accuracy)) for score, accuracy, _ in bins]
    path = " ".join(f"{x},{y}" for x, y in points)
    parts.append(f'<polyline class="curve" points="{path}"/>')
    for (x, y), (score, accuracy, words) in zip(points, bins, strict=True):
        title = f"{words} images of mean score {score:.3f}: {accuracy:.1%} right"
        parts.append(f'<circle class="dot" cx="{x}" cy="{y}" r="4"><title>{title}</title></circle>')
    parts += [_text(_x(v), _H - _BOTTOM + 14, f"{v:g}") for v in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return _svg("accuracy by score", parts)
