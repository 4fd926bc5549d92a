"""Images of words to compare an export on, made on the spot."""

import cv2
import numpy as np

_SIZES = ((60, 160), (20, 70), (32, 86), (33, 100), (90, 60), (48, 400), (10, 8), (64, 180))


def word_images(seed: int = 0) -> list[tuple[str, bytes]]:
    """Returns names and PNG files, gray, of several sizes: small, high and wide ones too.

    Gray PNGs are decoded to the same pixels by every library.
    """
    rng = np.random.default_rng(seed)
    made = []
    for number, (height, width) in enumerate(_SIZES * 2):
        image = rng.integers(180, 255, (height, width)).astype(np.uint8)
        word = "".join(rng.choice(list("ACDEFHJKLMNPRTUVXY347"), 5))
        scale = min(height / 30, width / 100)
        place = (int(width * 0.05), int(height * 0.7))
        thickness = max(1, int(2 * scale))
        cv2.putText(image, word, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (20,), thickness)
        data = cv2.imencode(".png", image)[1].tobytes()
        made.append((f"made image {number} of {width} x {height} pixels", data))
    return made
