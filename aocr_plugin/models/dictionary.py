"""The dictionary in aocr's order: PAD, GO, EOS, then the characters."""

from collections.abc import Sequence

from mmocr.models.common.dictionary import Dictionary
from mmocr.registry import TASK_UTILS

from aocr_plugin import charset as charsets
from aocr_plugin.errors import CharsetError


@TASK_UTILS.register_module()
class AOCRDictionary(Dictionary):
    """Symbols of the recogniser: 0 padding, 1 start, 2 end, then the charset.

    MMOCR's own ``Dictionary`` reads a file only and puts the special symbols last; weights of
    the original need them first. Everything that takes MMOCR's dictionary takes this one.

    Args:
        charset: a name ("aocr", "ascii", "digits", "alphanumeric"), "file:PATH" (one character
            a line), "chars:…" or a list of characters. "labels" collects it from the training
            annotations; a config that says so is resolved by ``AOCRRunner``.
        letter_case: "unchanged", "upper" (the original's default) or "lower": what is done to
            labels before anything else. It is stored with the charset in the checkpoint.
        with_unknown: add a last symbol for characters outside the charset.
        unknown_token: how that symbol prints.

    Raises:
        CharsetError: bad charset, unknown letter case, or a charset that can hold no label
            after ``letter_case``.
    """

    def __init__(
        self,
        charset: str | Sequence[str] = "aocr",
        letter_case: str = "unchanged",
        with_unknown: bool = False,
        unknown_token: str = "<UKN>",  # noqa: S107
    ) -> None:
        self.characters = charsets.resolve(charset)
        self.letter_case = charsets.check_letter_case(letter_case)
        lost = [c for c in self.characters if charsets.apply_case(c, letter_case) != c]
        if lost:
            raise CharsetError(
                f"letter_case '{letter_case}' never lets {charsets.describe(lost[0])} of the "
                f"charset occur ({len(lost)} such); take them out or set letter_case='unchanged'"
            )
        self.with_start = self.with_end = self.with_padding = True
        self.with_unknown = with_unknown
        self.same_start_end = False
        self.padding_token, self.start_token, self.end_token = "<PAD>", "<GO>", "<EOS>"
        self.start_end_token = "<GO/EOS>"  # noqa: S105
        self.unknown_token = unknown_token
        self.padding_idx, self.start_idx, self.end_idx = 0, 1, 2
        self._dict = [self.padding_token, self.start_token, self.end_token, *self.characters]
        self.unknown_idx = None
        if with_unknown:
            self._dict.append(unknown_token)
            self.unknown_idx = len(self._dict) - 1
        self._char2idx = {symbol: index for index, symbol in enumerate(self._dict)}

    def unknown_characters(self, text: str) -> list[str]:
        """Returns the characters of ``text`` (case policy applied) outside of the charset."""
        if self.with_unknown:
            return []
        text = charsets.apply_case(text, self.letter_case)
        return [character for character in text if character not in self._char2idx]
