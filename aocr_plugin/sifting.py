"""Sifts annotated samples: what cannot be used is counted by reason, never dropped in silence.

Needs no PyTorch.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aocr_plugin.errors import AnnotationError

REASONS = {
    "malformed_line": "no white space between path and label: write 'PATH LABEL'",
    "missing_image": "put the images where the paths point, or set data_root",
    "broken_image": "replace the files, or take their lines out",
    "broken_record": "make the TFRecord file anew from its annotation file",
    "unreadable_rest": "make the TFRecord file anew: everything behind this place is lost",
    "missing_label": "write the feature 'label' (bytes) into each record, '' for an empty one",
    "empty_label": "allowed unless its policy is set to 'error' or 'skip'",
    "unknown_character": "set the dictionary's charset or letter_case to hold them, "
    "or with_unknown=True (aocr: --full-ascii)",
    "label_too_long": "raise model.decoder.max_seq_len (longest label + 2; aocr: --max-prediction)",
    "image_too_wide": "raise or drop the dataset's max_width (aocr: --max-width)",
}
"""Every reason for which a sample may be rejected, and the mend."""

_UNUSABLE = (
    "malformed_line",
    "missing_image",
    "broken_image",
    "broken_record",
    "unreadable_rest",
    "missing_label",
)
POLICIES = ("skip", "error", "keep")
_TRAINING = dict.fromkeys(REASONS, "skip") | {"empty_label": "keep"}
_TESTING = _TRAINING | {
    "unknown_character": "keep",
    "label_too_long": "keep",
    "image_too_wide": "keep",
}


@dataclass(slots=True)
class Sample:
    """A usable sample.

    Attributes:
        path: the image file.
        label: case policy applied.
        line: line in the annotation file, or number of the record, from 1.
        size: (width, height) in pixels, where the image was looked at.
        comment: what a record says about itself (aocr: the image's path), or None.
    """

    path: str
    label: str
    line: int
    size: tuple[int, int] | None = None
    comment: str | None = None


def policies(problems: Mapping[str, str] | None, testing: bool) -> dict[str, str]:
    """Returns the policy for every reason.

    Args:
        problems: the user's choices, "skip", "error" or "keep" by reason.
        testing: whether samples are for measuring: labels that the model cannot spell are then
            kept by default (and count as errors), since leaving them out would flatter it.

    Raises:
        AnnotationError: unknown reason or policy.
    """
    chosen = dict(_TESTING if testing else _TRAINING)
    for reason, policy in (problems or {}).items():
        if reason not in REASONS:
            raise AnnotationError(
                f"problems: unknown reason '{reason}'; there are {', '.join(REASONS)}"
            )
        unusable = reason in _UNUSABLE
        if policy not in POLICIES or (policy == "keep" and unusable):
            raise AnnotationError(
                f"problems: policy '{policy}' for {reason}; it must be 'skip' or 'error'"
                + ("" if unusable else " or 'keep'")
            )
        chosen[reason] = policy
    return chosen


@dataclass
class Report:
    """How many samples were kept and what became of the rest.

    Attributes:
        name: the annotation file.
        policy: by reason.
        lines: samples looked at.
        kept: samples that can be used.
        counts: how often each reason occurred.
        examples: the first occurrence of each reason.
    """

    name: str
    policy: Mapping[str, str]
    lines: int = 0
    kept: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def note(self, reason: str, line: int, detail: str) -> bool:
        """Counts a problem.

        Returns:
            Whether the sample is kept all the same.

        Raises:
            AnnotationError: the policy for this reason is "error".
        """
        if self.policy[reason] == "error":
            raise AnnotationError(
                f"{self.name}:{line}: {detail}; {REASONS[reason]} "
                f"(or set problems=dict({reason}='skip'))"
            )
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.examples.setdefault(reason, f"line {line}: {detail}")
        return self.policy[reason] == "keep"

    def add(self, other: "Report") -> None:
        """Takes in the report on another file."""
        self.lines += other.lines
        self.kept += other.kept
        for reason, count in other.counts.items():
            self.counts[reason] = self.counts.get(reason, 0) + count
            self.examples.setdefault(reason, other.examples[reason])

    @property
    def rejected(self) -> int:
        """Samples that are not used."""
        return self.lines - self.kept

    def table(self) -> str:
        """Returns the report as a table, one row a reason."""
        head = f"{self.name}: {self.lines} samples, {self.kept} kept, {self.rejected} rejected"
        rows = [
            f"  {reason.replace('_', ' '):<18}{count:>8} "
            f"{'kept    ' if self.policy[reason] == 'keep' else 'rejected'}  "
            f"first: {self.examples[reason]}"
            for reason, count in sorted(self.counts.items(), key=lambda item: -item[1])
            if reason != "empty_label" or self.policy[reason] != "keep"
        ]
        return "\n".join([head, *rows])

    def check(self, max_rejected: float) -> None:
        """Raises if nothing, or too little, is left.

        Args:
            max_rejected: largest share of rejected samples.

        Raises:
            AnnotationError: no sample is left, or more than that share is rejected.
        """
        mends = "".join(
            f"\n  {reason.replace('_', ' ')}: {REASONS[reason]}"
            for reason in sorted(self.counts, key=lambda reason: -self.counts[reason])
            if self.policy[reason] == "skip"
        )
        if self.lines == 0:
            raise AnnotationError(
                f"{self.name}: no line 'PATH LABEL' and no record in it; is it the right file?"
            )
        if self.kept == 0:
            raise AnnotationError(f"{self.table()}\nno sample is left. What to change:{mends}")
        if self.rejected > max_rejected * self.lines:
            raise AnnotationError(
                f"{self.table()}\n{self.rejected / self.lines:.0%} of the samples are rejected, "
                f"more than max_rejected={max_rejected:.0%}. What to change:{mends}"
                "\n  or raise the dataset's max_rejected"
            )


def sift(
    samples: Iterable[Sample],
    report: Report,
    *,
    unknown_characters: Callable[[str], Sequence[str]] | None = None,
    describe: Callable[[str], str] = repr,
    max_label_length: int | None = None,
    max_width: int | None = None,
) -> Iterator[Sample]:
    """Yields the samples whose label and width can be used; the rest goes into the report.

    Args:
        samples: with existing, whole images, which whoever read them has counted as kept.
        report: counts are added to it.
        unknown_characters: returns a label's characters outside of the charset.
        describe: how such a character is named.
        max_label_length: in characters; None for any.
        max_width: of the file's image in pixels; None for any.

    Raises:
        AnnotationError: a sample is rejected for a reason whose policy is "error".
    """
    for sample in samples:
        keep, label, place = True, sample.label, f" ({sample.path})"
        if not label:
            keep &= report.note("empty_label", sample.line, f"{sample.path} has an empty label")
        unknown = unknown_characters(label) if unknown_characters else ()
        if unknown:
            detail = f"label {label!r} has {describe(unknown[0])}, not in the charset{place}"
            keep = report.note("unknown_character", sample.line, detail) and keep
        if max_label_length is not None and len(label) > max_label_length:
            detail = f"label {label!r} has {len(label)} characters, limit {max_label_length}{place}"
            keep = report.note("label_too_long", sample.line, detail) and keep
        if max_width is not None and sample.size is not None and sample.size[0] > max_width:
            detail = f"{sample.path} is {sample.size[0]} pixels wide, limit {max_width}"
            keep = report.note("image_too_wide", sample.line, detail) and keep
        if keep:
            yield sample
        else:
            report.kept -= 1
