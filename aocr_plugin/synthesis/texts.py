"""Texts for images: words, numbers, dates, codes and mixtures, by set shares."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aocr_plugin.errors import ConfigError
from aocr_plugin.synthesis import font_packages, fonts, text_kinds
from aocr_plugin.synthesis.dice import Dice, Shares

CASES = ("upper", "lower", "title", "mixed", "unchanged")
PRINTABLE = "".join(map(chr, range(32, 127)))
_TRIES = 40
_MARKS = ".,.,!?:;-'"
_LISTS = {
    "common": Path(__file__).with_name("words.txt"),
    **{name: fonts.OWN_FOLDER / fonts.OWN_WORDS / f"{name}.txt" for name in font_packages.WORDS},
}
_PAIRS = ('"', '"'), ("(", ")"), ("'", "'"), ("[", "]")


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """What texts are like.

    Attributes:
        kinds: share of each kind of text; kinds are the names in ``text_kinds.KINDS``.
        cases: share of each of :data:`CASES`, for what has letters.
        punctuation: share of texts that get a mark before, after or around them.
        min_length: characters, at least.
        max_length: characters, at most.
        mean_length: characters in the mean, or None: as long as words of the list are.
        length_spread: standard deviation, with ``mean_length``.
        charset: characters that may occur, or None for printable ASCII.
        words: lists of words: files, one word a line, "common" (the 5,600 that come along),
            or of those that ``tools/fetch_fonts.py`` fetches "english" (70,000) and "rare"
            (510,000, many of them names). Each list is used as often as the others, whatever its
            length. None: the common ones.

    Raises:
        ConfigError: an unknown kind or case, or lengths that contradict each other.
    """

    kinds: Mapping[str, float] = field(
        default_factory=lambda: {
            "word": 0.84,
            "number": 0.05,
            "price": 0.02,
            "date": 0.01,
            "time": 0.01,
            "code": 0.02,
            "mixture": 0.02,
            "random": 0.03,
        }
    )
    cases: Mapping[str, float] = field(
        default_factory=lambda: {"upper": 0.5, "title": 0.27, "lower": 0.21, "mixed": 0.02}
    )
    punctuation: float = 0.06
    min_length: int = 1
    max_length: int = 25
    mean_length: float | None = None
    length_spread: float = 2.0
    charset: str | None = None
    words: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, given, known in (
            ("kinds", self.kinds, tuple(text_kinds.KINDS)),
            ("cases", self.cases, CASES),
        ):
            unknown = set(given) - set(known)
            if unknown:
                raise ConfigError(
                    f"{name}: unknown {', '.join(sorted(unknown))}; there are {', '.join(known)}"
                )
            if min(given.values(), default=0) < 0 or not sum(given.values()) > 0:
                raise ConfigError(f"{name}: shares are 0 or more, and one is above 0")
        if not 1 <= self.min_length <= self.max_length:
            raise ConfigError(
                f"min_length is {self.min_length}, max_length {self.max_length}; it takes "
                "1 <= min_length <= max_length"
            )
        if not 0 <= self.punctuation <= 1:
            raise ConfigError(f"punctuation is {self.punctuation}; it is a share from 0 to 1")


class TextSource:
    """Draws texts.

    Args:
        settings: what they are like.

    Raises:
        ConfigError: a file of words cannot be read or has no usable word.
    """

    def __init__(self, settings: TextSettings) -> None:
        self.settings = settings
        self.characters = settings.charset or PRINTABLE
        self._allowed = frozenset(self.characters)
        self._inked = [c for c in self.characters if not c.isspace()]
        if not self._inked:
            raise ConfigError("the charset has nothing that can be drawn")
        self._kinds, self._cases = Shares(settings.kinds), Shares(settings.cases)
        lists = settings.words or ["common"]
        self._vocabularies = [
            text_kinds.Vocabulary(words, name in _LISTS)
            for name in lists
            if (words := self._usable(name))
        ]
        if not self._vocabularies:
            if settings.words:
                raise ConfigError(
                    f"{', '.join(lists)}: no word of {settings.min_length} to "
                    f"{settings.max_length} characters that the charset can spell; check "
                    "min_length, max_length and charset"
                )
            self._vocabularies = [text_kinds.Vocabulary([])]

    def _usable(self, name: str) -> list[str]:
        """Returns the words of a list that the charset can spell, in some case.

        Raises:
            ConfigError: it cannot be read.
        """
        path = _LISTS.get(name, Path(name))
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            mend = "; tools/fetch_fonts.py fetches it" if name in font_packages.WORDS else ""
            raise ConfigError(f"{path}: cannot read the word list ({error}){mend}") from error
        low, high = self.settings.min_length, self.settings.max_length
        allowed = self._allowed
        return [
            word
            for word in dict.fromkeys(line.strip() for line in lines)
            if low <= len(word) <= high
            and any(allowed.issuperset(form) for form in (word, word.upper(), word.lower()))
        ]

    def draw(self, dice: Dice) -> str:
        """Returns a text; its characters are of the charset and its length within the limits."""
        settings = self.settings
        low, high = settings.min_length, settings.max_length
        for _ in range(_TRIES):
            length = None
            if settings.mean_length is not None:
                wished = round(dice.near(settings.mean_length, settings.length_spread))
                length = min(max(wished, low), high)
            words = self._vocabularies[0]
            if len(self._vocabularies) > 1:
                words = dice.pick(self._vocabularies)
            text = text_kinds.KINDS[self._kinds.draw(dice)](dice, words, length)
            text = _CASING[self._cases.draw(dice)](text, dice)
            if dice.chance(settings.punctuation):
                text = self._marked(text, dice)
            if low <= len(text) <= high and self._allowed.issuperset(text) and text.strip():
                return text
            for form in (text.upper(), text.lower()):
                if low <= len(form) <= high and self._allowed.issuperset(form) and form.strip():
                    return form
        return dice.text(self._inked, length or dice.whole(low, min(high, low + 7)))

    def _marked(self, text: str, dice: Dice) -> str:
        """Adds a mark that the charset has, where there is room for it."""
        if dice.chance(0.2):
            first, last = dice.pick(_PAIRS)
            marked = first + text + last
        elif dice.chance(0.12):
            marked = dice.pick("#-*&@") + text
        else:
            marked = text + dice.pick(_MARKS)
        fits = len(marked) <= self.settings.max_length and self._allowed.issuperset(marked)
        return marked if fits else text


def _title(text: str, _: Dice) -> str:
    return " ".join(word[:1].upper() + word[1:].lower() for word in text.split(" "))


def _mixed(text: str, dice: Dice) -> str:
    return "".join(c.upper() if dice.chance(0.5) else c.lower() for c in text)


_CASING: dict[str, Callable[[str, Dice], str]] = {
    "upper": lambda text, _: text.upper(),
    "lower": lambda text, _: text.lower(),
    "title": _title,
    "mixed": _mixed,
    "unchanged": lambda text, _: text,
}
