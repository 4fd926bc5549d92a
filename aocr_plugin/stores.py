"""Opens object stores, and turns what they raise into errors that name URL and mend."""

import errno
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aocr_plugin.errors import StorageError

PACKAGES = {
    "s3": ("s3fs", "aocr-plugin[s3]"),
    "s3a": ("s3fs", "aocr-plugin[s3]"),
    "gs": ("gcsfs", "aocr-plugin[gs]"),
    "gcs": ("gcsfs", "aocr-plugin[gs]"),
    "az": ("adlfs", "adlfs"),
    "abfs": ("adlfs", "adlfs"),
    "http": ("aiohttp", "aiohttp"),
    "https": ("aiohttp", "aiohttp"),
}
"""By scheme: the package that fsspec needs for it, and what to give to pip."""

_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or ~/.aws/credentials (a public bucket: "
    "FSSPEC_S3_ANON=true)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or run 'gcloud auth application-default login'",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_ADDRESSES = {"s3": "AWS_ENDPOINT_URL", "gs": "STORAGE_EMULATOR_HOST"}
_FAMILY = {"s3a": "s3", "gcs": "gs", "abfs": "az"}
_NO_CREDENTIALS = ("NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError")


def _explain(error: Exception, url: str) -> str:
    """Returns what is wrong with a URL, and the mend."""
    kind = url.partition("://")[0]
    family = _FAMILY.get(kind, kind)
    credentials = _CREDENTIALS.get(family, "the store's credentials")
    if isinstance(error, ImportError):
        package, extra = PACKAGES.get(kind, (error.name or kind, error.name or kind))
        return f"needs the package {package}, which is not installed: pip install '{extra}'"
    if isinstance(error, ValueError) and "Protocol not known" in str(error):
        return f"no store is known by {kind}://; there are {', '.join(PACKAGES)} and memory"
    if type(error).__name__ in _NO_CREDENTIALS:
        return f"no credentials found; set {credentials}"
    refused = str(error).startswith("Forbidden") or getattr(error, "code", None) in (401, 403)
    if refused or isinstance(error, PermissionError):
        return f"access refused ({error}); check the bucket's permissions and {credentials}"
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket ({error}); create it, or check its name"
    place = _ADDRESSES.get(family)
    advice = f"check the network and, if set, {place}" if place else "check the network"
    return f"the store does not answer as it should ({type(error).__name__}: {error}); {advice}"


@contextmanager
def explained(url: str, writing: bool = False) -> Iterator[None]:
    """Explains errors of the store that a URL is in.

    Args:
        url: what is used.
        writing: nothing but its bucket has to be there.

    Raises:
        FileNotFoundError: the store has no such object; the URL is its ``filename``.
        StorageError: anything else: no package, no credentials, no access, no bucket, no answer.
    """
    try:
        yield
    except StorageError:
        raise
    except FileNotFoundError as error:
        if writing or "bucket does not exist" in str(error).lower():
            raise StorageError(f"{url}: {_explain(error, url)}") from error
        raise FileNotFoundError(errno.ENOENT, "no such object in the store", url) from error
    except Exception as error:
        raise StorageError(f"{url}: {_explain(error, url)}") from error


@functools.cache
def open_store(protocol: str, process: int) -> Any:
    """Returns fsspec's file system for a scheme, made once a process.

    An S3 that is out of reach is given up after seconds: connecting takes 3 s and silence 10 s at
    most, four times. ``FSSPEC_S3_CONFIG_KWARGS`` changes botocore's settings. Other packages
    have limits of their own; gcsfs gives up after half a minute.

    Args:
        protocol: the scheme.
        process: the process's number; what a fork took over cannot be used.
    """
    import fsspec

    options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
    if protocol not in ("s3", "s3a"):
        return fsspec.filesystem(protocol, **options)
    patience = {"connect_timeout": 3, "read_timeout": 10}
    retries = {"retries": {"mode": "standard", "total_max_attempts": 2}}
    users = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
    store = fsspec.filesystem(protocol, config_kwargs=patience | retries | users, **options)
    store.retries = 2  # each of them with botocore's attempts
    return store
