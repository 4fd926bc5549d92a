"""Kinds of text: each a function of chance, words and a wished length."""

import string
from collections.abc import Callable, Sequence

from aocr_plugin.synthesis.dice import Dice

_DIGITS, _CAPITALS = string.digits, string.ascii_uppercase
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_KEYS = (
    "Total Subtotal Amount Cash Change Tax Qty Discount Rounding Tel Fax Date Time Invoice Receipt "
    "Table Price Item Balance Cashier Member Bill Order Ref Ticket Card Due GST VAT"
).split()
_SUFFIXES = "Co. Ltd Inc. Store Market Shop Mart & Sons Trading Restaurant Cafe House".split()


class Vocabulary:
    """Words, also by their length.

    Args:
        words: any number of them.
        letters: take their letters where a text of one character is wished for.
    """

    def __init__(self, words: Sequence[str], letters: bool = False) -> None:
        self._words = list(words)
        self._by_length: dict[int, list[str]] = {}
        for word in words:
            self._by_length.setdefault(len(word), []).append(word)
        if letters and words:
            self._by_length[1] = sorted(set("".join(words).lower()))

    def draw(self, dice: Dice, length: int | None) -> str:
        """Returns a word, of that length or of the next that there is; "" if there are none."""
        if not self._words:
            return ""
        if length is None:
            return dice.pick(self._words)
        nearest = min(self._by_length, key=lambda have: (abs(have - length), have))
        return dice.pick(self._by_length[nearest])


def _word(dice: Dice, words: Vocabulary, length: int | None) -> str:
    return words.draw(dice, length)


def _number(dice: Dice, words: Vocabulary, length: int | None) -> str:
    size = length or dice.pick((1, 1, 2, 2, 2, 3, 3, 4, 4, 5, 6, 7))
    digits = dice.text(_DIGITS, size)
    if size > 3 and length is None and dice.chance(0.25):
        return f"{int(digits):,}"
    return digits


def _price(dice: Dice, words: Vocabulary, length: int | None) -> str:
    whole = dice.text(_DIGITS, max(1, (length or dice.whole(4, 6)) - 3)).lstrip("0") or "0"
    cents = dice.pick(("00", "50", "99", "95", dice.text(_DIGITS, 2)))
    if length is not None:
        return f"{whole}.{cents}"
    sign = dice.pick(("", "", "$", "$", "%", "RM", "+"))
    if sign == "%":
        return f"{dice.whole(1, 99)}%"
    return f"{sign}{whole}.{cents}" if dice.chance(0.7) else f"{sign}{whole}"


def _date(dice: Dice, words: Vocabulary, length: int | None) -> str:
    day, month, year = dice.whole(1, 31), dice.whole(1, 12), dice.whole(1950, 2035)
    form = dice.whole(0, 5)
    if form == 0:
        return f"{day:02}/{month:02}/{year}"
    if form == 1:
        return f"{year}-{month:02}-{day:02}"
    if form == 2:
        return f"{day}.{month}.{year % 100:02}"
    if form == 3:
        return f"{_MONTHS[month - 1]}-{day}"
    return str(year) if form == 4 else f"{day:02}/{month:02}/{year % 100:02}"


def _time(dice: Dice, words: Vocabulary, length: int | None) -> str:
    hour, minute = dice.whole(0, 23), dice.whole(0, 59)
    form = dice.whole(0, 3)
    if form == 0:
        return f"{hour % 12 + 1}{dice.pick(('am', 'pm'))}"
    seconds = f":{dice.whole(0, 59):02}" if form == 1 else ""
    return f"{hour:02}:{minute:02}{seconds}"


def _code(dice: Dice, words: Vocabulary, length: int | None) -> str:
    size = length or dice.whole(2, 9)
    letters = dice.whole(1, max(1, min(4, size - 1)))
    parts = [dice.text(_CAPITALS, letters), dice.text(_DIGITS, max(1, size - letters))]
    if dice.chance(0.3):
        parts.reverse()
    if size > 3 and dice.chance(0.35):
        parts[1] = parts[1][: max(1, size - len(parts[0]) - 1)]
        return dice.pick("-/-.").join(parts)
    return "".join(parts)[:size]


def _random(dice: Dice, words: Vocabulary, length: int | None) -> str:
    return dice.text(_CAPITALS + _CAPITALS.lower() + _DIGITS, length or dice.whole(3, 9))


def _mixture(dice: Dice, words: Vocabulary, length: int | None) -> str:
    if length is not None:
        digits = dice.whole(1, max(1, min(3, length - 1)))
        return (words.draw(dice, max(1, length - digits)) + dice.text(_DIGITS, digits))[:length]
    word = words.draw(dice, None)
    form = dice.whole(0, 4)
    if form == 0:
        return f"www.{word}.{dice.pick(('com', 'net', 'org', 'co.uk'))}"
    if form == 1:
        return f"{word}{dice.pick('-&/')}{words.draw(dice, None)}"
    if form == 2:
        return f"{word}'s"
    return f"{word}{dice.whole(1, 2000)}" if form == 3 else f"{dice.whole(1, 99)}{word}"


def _phrase(dice: Dice, words: Vocabulary, length: int | None) -> str:
    found = [words.draw(dice, None) for _ in range(dice.whole(2, 5))]
    while length is not None and len(found) > 1 and len(" ".join(found)) > length:
        found.pop()
    return " ".join(found)


def _phone(dice: Dice, words: Vocabulary, length: int | None) -> str:
    return f"{dice.text(_DIGITS, dice.whole(2, 3))}-{dice.text(_DIGITS, dice.whole(6, 8))}"


def _entry(dice: Dice, words: Vocabulary, length: int | None) -> str:
    """A line of a receipt: a key with its value, an article, a firm."""
    form = dice.whole(0, 5)
    kind = dice.pick((_price, _price, _number, _date, _code, _phone))
    key = dice.pick(_KEYS)
    if form <= 1:
        return f"{key}{dice.pick((':', ' :', '', ' No:', ' (RM)'))} {kind(dice, words, None)}"
    if form == 2:
        return f"{dice.whole(1, 20)} X {_price(dice, words, 5)}"
    if form == 3:
        return f"{_phrase(dice, words, 14)} {dice.pick(_SUFFIXES)}"
    return key if form == 4 else f"{_code(dice, words, 7)} {words.draw(dice, None)}"


def _plate(dice: Dice, words: Vocabulary, length: int | None) -> str:
    """Characters of a licence plate, without what separates them."""
    patterns = ("AAA999", "AAA9999", "999AAA", "9AAA999", "AA9999", "AAA99A", "99AA99", "A99999")
    pattern = dice.pick(patterns)
    if length is not None:
        pattern = (pattern * (1 + length // 6))[:length]
    elif dice.chance(0.15):
        return dice.text(_CAPITALS + _DIGITS, dice.whole(4, 7))
    return "".join(dice.pick(_CAPITALS if c == "A" else _DIGITS) for c in pattern)


def _reading(dice: Dice, words: Vocabulary, length: int | None) -> str:
    """What a meter shows."""
    size = length or dice.whole(3, 8)
    digits = dice.text(_DIGITS, size)
    if dice.chance(0.25) and size > 2:
        place = dice.whole(1, 3) if size > 3 else 1
        return f"{digits[: -place - 1]}.{digits[-place:]}" if size > place + 1 else digits
    return digits


KINDS: dict[str, Callable[[Dice, Vocabulary, int | None], str]] = {
    "word": _word,
    "number": _number,
    "price": _price,
    "date": _date,
    "time": _time,
    "code": _code,
    "random": _random,
    "mixture": _mixture,
    "phrase": _phrase,
    "phone": _phone,
    "entry": _entry,
    "plate": _plate,
    "reading": _reading,
}
