"""What a benchmark's figures depend on: processor, cores, versions."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


def machine() -> dict[str, Any]:
    """Returns what the figures depend on."""
    packages = ("torch", "numpy", "mmengine", "mmocr", "opencv-python")
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: found for name in packages if (found := _version(name))},
    }


def _version(name: str) -> str | None:
    """Returns a package's version, or None where another brings it (OpenCV without windows)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor() -> str:
    """Returns the processor's name and which matrix instructions it has."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = info.read_text().splitlines()
    found = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    wide = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
    flags = found.get("flags", "").split()
    return f"{found.get('model name')}: {', '.join(x for x in wide if x in flags)}"
