"""Keeps freed memory in the process, where the next training step finds it.

A step allocates and frees tensors of tens of megabytes. glibc maps each anew and gives it back, and
the kernel clears every page of it again. PyTorch keeps a GPU's memory to itself, but not a CPU's;
its huge pages (``THP_MEM_ALLOC_ENABLE``) bring nearly as much and take a tenth more memory.
"""

import ctypes
import os
import re

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # <malloc.h>
_OLD_SETTING = re.compile("MALLOC_[A-Z_]+_")
_SETTINGS = {
    _MMAP_MAX: 0,  # large blocks come from the heap too
    _TRIM_THRESHOLD: -1,  # whose end is never given back
    _TOP_PAD: 64 << 20,  # and which grows by so many bytes
}


def keep_freed_memory() -> bool:
    """Makes malloc keep what is freed, for the rest of this process; its peak stays what it is.

    Returns:
        Whether it was done: not where the C library is not glibc, nor where the environment has
        settings of its own (``GLIBC_TUNABLES``, ``MALLOC_…_``).
    """
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if "glibc.malloc" in tunables or any(map(_OLD_SETTING.fullmatch, os.environ)):
        return False
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - musl has a mallopt that does nothing
        mallopt = library.mallopt
    except (AttributeError, OSError, TypeError):
        return False
    taken = [mallopt(name, value) == 1 for name, value in _SETTINGS.items()]
    return all(taken)
