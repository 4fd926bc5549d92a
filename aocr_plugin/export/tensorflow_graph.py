"""The whole graph that the original exported: encoded images in, texts and probabilities out."""

from typing import Any

import numpy as np

from aocr_plugin.export import requirements, tensorflow_network

INPUT, TEXT, PROBABILITY = "input_image_as_bytes", "prediction", "probability"
"""Names of the graph's nodes, which are the original's."""


class Graph:
    """Builds the graph.

    An image that TensorFlow cannot decode fails the whole call with TensorFlow's error.

    Args:
        tf: the module tensorflow.
        model: a checkpoint's model in evaluation mode.
        pipeline: the checkpoint's ``test_pipeline``.
        strict: probability is the product over all steps, as in the original; else the model's
            own word score, of the steps up to the end symbol.

    Raises:
        ConfigError: model or pipeline cannot be exported.
    """

    def __init__(
        self, tf: Any, model: Any, pipeline: list[dict[str, Any]], strict: bool = False
    ) -> None:
        requirements.check_model(model)
        self.tf, self.model, self.strict = tf, model, strict
        self.channels = int(model.backbone.blocks[0].conv.in_channels)
        self.canvas = requirements.canvas_of(pipeline, self.channels)

    def _pixels(self, encoded: Any) -> Any:
        """Decodes an image and puts it on the canvas; [H, W, C]. See ``datasets/canvas.py``."""
        tf, canvas = self.tf, self.canvas
        image = tf.io.decode_png(encoded, channels=self.channels)  # JPEG too, and GIF in colour
        size = tf.shape(image)
        height, width = size[0], size[1]
        fitting = tf.cast(tf.math.ceil(tf.truediv(width, height) * canvas.height), tf.int32)
        lower = tf.cast(tf.math.ceil(tf.truediv(canvas.width, fitting) * canvas.height), tf.int32)
        too_wide = fitting > canvas.width
        resize = tf.logical_or(too_wide, height > canvas.height)
        target = tf.where(too_wide, [lower, canvas.width], [canvas.height, fitting])
        image = tf.cond(
            resize,
            lambda: tf.raw_ops.ResizeBicubic(
                images=image[None],
                size=target,
                half_pixel_centers=canvas.kernel == "tensorflow2",
            )[0],
            lambda: tf.cast(image, tf.float32),
        )
        placed = tf.image.pad_to_bounding_box(image, 0, 0, canvas.height, canvas.width)
        return tf.ensure_shape(placed, [canvas.height, canvas.width, self.channels])

    def _normalised(self, images: Any) -> Any:
        """Applies the data preprocessor's channel order, mean and deviation."""
        prepare = self.model.data_preprocessor
        if self.channels == 3 and not prepare._channel_conversion:
            images = images[..., ::-1]  # TensorFlow decodes RGB, the network was trained on BGR
        if not prepare._enable_normalize:
            return images
        mean = prepare.mean.flatten().tolist()
        std = prepare.std.flatten().tolist()
        return (images - np.float32(mean)) / np.float32(std)

    def _texts(self, logits: Any) -> tuple[Any, Any]:
        """Maps logits [N, L, V] to texts [N] and their probabilities [N]."""
        tf, dictionary = self.tf, self.model.decoder.dictionary
        symbols = tf.argmax(logits, axis=2)
        silent = {dictionary.padding_idx, dictionary.start_idx, dictionary.end_idx}
        spelt = ["" if i in silent else s for i, s in enumerate(dictionary.dict)]
        letters = tf.gather(tf.constant([s.encode() for s in spelt]), symbols)
        ended = tf.cast(tf.equal(symbols, dictionary.end_idx), tf.int32)
        before = tf.cumsum(ended, axis=1, exclusive=True) < 1  # up to and with the first end
        text = tf.strings.reduce_join(tf.where(before, letters, ""), axis=1)
        temperature = 1.0 if self.strict else float(self.model.decoder.search.temperature)
        best = tf.reduce_max(tf.nn.softmax(logits / temperature, axis=2), axis=2)
        best = tf.cast(best, tf.float64)
        if self.strict:
            return text, tf.reduce_prod(best, axis=1)
        return text, self._score(tf.where(before, best, tf.ones_like(best)), before)

    def _score(self, best: Any, before: Any) -> Any:
        """Maps probabilities [N, L], 1 behind the end, to word scores; see ``word_score``."""
        tf, kind = self.tf, self.model.decoder.postprocessor.score
        if kind == "minimum":
            return tf.reduce_min(best, axis=1)
        product = tf.reduce_prod(best, axis=1)
        if kind == "geometric":
            return product ** (1.0 / tf.reduce_sum(tf.cast(before, tf.float64), axis=1))
        return product

    def build(self) -> tuple[Any, Any, Any]:
        """Builds into TensorFlow's current graph.

        Returns:
            The placeholder for a byte string or a vector of them, the texts and the
            probabilities; both have the placeholder's shape.
        """
        tf = self.tf
        encoded = tf.compat.v1.placeholder(tf.string, None, name=INPUT)
        images = tf.map_fn(self._pixels, tf.reshape(encoded, [-1]), fn_output_signature=tf.float32)
        logits = tensorflow_network.Network(tf, self.model)(self._normalised(images))
        texts, probabilities = self._texts(logits)
        shape = tf.shape(encoded)
        return (
            encoded,
            tf.reshape(texts, shape, name=TEXT),
            tf.reshape(probabilities, shape, name=PROBABILITY),
        )
