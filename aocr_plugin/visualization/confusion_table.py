"""The confusion table of a report, as HTML."""

from collections import Counter
from collections.abc import Sequence
from html import escape

from aocr_plugin.visualization.report_stats import Outcome, confusions

_NONE = "∅"
_BLANK = "␣"


def shown(character: str) -> str:
    """Returns a character as it is shown: blanks and controls too, and none as an empty set."""
    if not character:
        return _NONE
    if character == " ":
        return _BLANK
    return character if character.isprintable() else f"U+{ord(character):04X}"


def _button(label: str, text: str, count: int, heat: float) -> str:
    title = f"{shown(label)} read as {shown(text)}: {count}"
    if not label:
        title = f"{shown(text)} read where there is nothing: {count}"
    elif not text:
        title = f"{shown(label)} missed: {count}"
    return (
        f'<button type="button" class="pair" data-label="{escape(label)}" '
        f'data-text="{escape(text)}" title="{escape(title)}" style="--heat:{heat:.3f}">'
        f"{count}</button>"
    )


def _axis(counts: Counter[str], most: int) -> list[str]:
    """Returns the most frequent characters in code point order, none last."""
    kept = [character for character, _ in counts.most_common(most)]
    return sorted(kept, key=lambda character: (not character, character))


def confusion_table(outcomes: Sequence[Outcome], most: int = 26, listed: int = 30) -> str:
    """Returns the matrix of the most confused characters, and the list of confusions.

    Args:
        outcomes: all images.
        most: rows and columns of the matrix at most.
        listed: confusions in the list at most.
    """
    counts = confusions(outcomes)
    if not counts:
        return "<p>No character was read wrong.</p>"
    total, kinds = sum(counts.values()), len(counts)
    rows: Counter[str] = Counter()
    columns: Counter[str] = Counter()
    for (label, text), count in counts.items():
        rows[label] += count
        columns[text] += count
    down, across = _axis(rows, most), _axis(columns, most)
    peak = max(counts.values())
    inside = sum(counts[label, text] for label in down for text in across)
    head = "".join(f'<th scope="col"><bdi>{escape(shown(text))}</bdi></th>' for text in across)
    body = []
    for label in down:
        cells = [
            f"<td>{_button(label, text, counts[label, text], (counts[label, text] / peak) ** 0.6)}"
            "</td>"
            if counts[label, text]
            else ('<td class="same"></td>' if label == text else "<td></td>")
            for text in across
        ]
        name = escape(shown(label))
        body.append(f'<tr><th scope="row"><bdi>{name}</bdi></th>{"".join(cells)}</tr>')
    note = f"{total} character errors of {kinds} kinds"
    if inside < total:
        note += f"; the table shows the {inside} among the characters most often confused"
    return (
        f"<p>{note}. Rows: the label's character; columns: what was read; {_NONE}: nothing there. "
        "Press a number to see the images.</p>"
        '<div class="confusions"><div class="wide"><table class="matrix">'
        f"<thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table></div>{_list(outcomes, counts, listed)}</div>"
    )


def _list(outcomes: Sequence[Outcome], counts: Counter[tuple[str, str]], listed: int) -> str:
    """Returns the most frequent confusions with the share of the character's occurrences."""
    occurrences = Counter(character for outcome in outcomes for character in outcome.label)
    items = []
    for (label, text), count in counts.most_common(listed):
        share = (
            f"{100 * count / occurrences[label]:.3g} % of its {occurrences[label]}" if label else ""
        )
        items.append(
            f"<li>{_button(label, text, count, 0.0)}<b><bdi>{escape(shown(label))}</bdi></b> → "
            f"<b><bdi>{escape(shown(text))}</bdi></b> <small>{share}</small></li>"
        )
    left = len(counts) - len(items)
    more = f"<p><small>{left} more kinds are not listed.</small></p>" if left > 0 else ""
    return (
        f'<div class="frequent"><b>Most frequent</b><ol class="pairs">'
        f"{''.join(items)}</ol>{more}</div>"
    )
