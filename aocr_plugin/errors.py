"""Errors that a user can cause; each names the culprit and the mend.

The command line prints the message alone and exits with 2; from Python they are ordinary
exceptions below :class:`AOCRError`.
"""


class AOCRError(Exception):
    """Base of every error that the user's input, files or settings can cause."""


class AnnotationError(AOCRError):
    """An annotation file, or what it names, cannot be used."""


class CharsetError(AOCRError):
    """A charset is unknown or malformed, or a label holds a character outside of it."""


class CheckpointError(AOCRError):
    """A checkpoint is missing, broken, unsafe to load or does not fit."""


class ConfigError(AOCRError):
    """A config is missing, broken, or holds an argument that nothing takes."""


class ConnectionLostError(AOCRError):
    """A process of a training on several lost its connection to the others."""


class ExportError(AOCRError):
    """An export does not read as the checkpoint does."""


class FontError(AOCRError):
    """No font can be found or used for what is to be drawn."""


class ImageError(AOCRError):
    """An image is missing, broken or of a form that is not read."""


class RecordError(AOCRError):
    """A TFRecord file, or a record of it, is damaged or holds no labelled image."""


class StorageError(AOCRError):
    """An object store cannot be reached or used."""
