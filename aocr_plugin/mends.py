"""Every mend of the installed stack, in one place.

MMOCR 1.0.1 dates from 2023. On a current PyTorch, without a GPU and without mmcv's compiled
operators, a few imports and calls of its dependencies fail. Each mend below looks first whether
the installed stack needs it and does nothing where it does not, so that a full CUDA/mmcv
install stays as it is. :func:`apply` runs them once, just before MMOCR is first imported.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import logging
import os
import sys
import types
from collections.abc import Callable
from typing import Any

APPLIED: list[str] = []
"""Names of the mends that :func:`apply` found to be needed, in order."""

wait = False
"""Whether the mends are left until something is imported that needs them: they import it."""

_done = False


def _torchvision_operators() -> bool:
    """Declares torchvision's operators where its binary part does not match PyTorch.

    Reason: the torchvision wheel on PyPI is built for a CUDA PyTorch. Beside a CPU PyTorch its
    library does not load, and ``import torchvision`` (MMOCR's transforms do it) stops with
    ``operator torchvision::nms does not exist``. Text recognition calls no such operator; the
    schema alone lets the import pass.
    """
    if "torchvision" in sys.modules or importlib.util.find_spec("torchvision") is None:
        return False
    try:
        importlib.import_module("torchvision")
        return False
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _keep_alive.append(library)
    importlib.import_module("torchvision")
    return True


def _mmcv_operators() -> bool:
    """Lets ``mmcv.ops`` be imported where mmcv has no compiled operators (mmcv-lite).

    Reason: MMDetection, which MMOCR imports, imports ``mmcv.ops``, and that needs the compiled
    module ``mmcv._ext``. Text recognition uses none of it. A stand-in is present only while
    ``mmcv.ops`` is imported; it is removed afterwards so that MMEngine still sees that mmcv has
    no operators. Calling one of them says what to install.
    """
    if "mmcv.ops" in sys.modules or importlib.util.find_spec("mmcv") is None:
        return False
    importlib.import_module("mmcv")
    if importlib.util.find_spec("mmcv._ext") is not None:
        return False

    def missing(name: str) -> Callable[..., None]:
        if name.startswith("__"):
            raise AttributeError(name)

        def operator(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError(
                f"mmcv's compiled operator '{name}' is not installed (mmcv-lite has none); "
                "install the full mmcv to use it: pip uninstall mmcv-lite && mim install mmcv"
            )

        return operator

    stand_in = types.ModuleType("mmcv._ext")
    stand_in.__getattr__ = missing  # type: ignore[method-assign]
    sys.modules["mmcv._ext"] = stand_in
    try:
        importlib.import_module("mmcv.ops")
    finally:
        del sys.modules["mmcv._ext"]
    return True


def _numpy_names_for_imgaug() -> bool:
    """Gives imgaug 0.4.0 the NumPy names that it uses and that NumPy has dropped.

    Reason: imgaug, a hard requirement of MMOCR, is not maintained. ``np.sctypes`` is gone in
    NumPy 2 (imgaug's import fails), ``np.bool`` in 1.24 to 1.26 and ``np.complex`` since 1.24
    (SomeOf, OneOf, RandAugment, Clouds, Fog, Snowflakes fail when called).
    """
    if "imgaug" in sys.modules or importlib.util.find_spec("imgaug") is None:
        return False
    import numpy as np

    sctypes = {
        "int": [np.int8, np.int16, np.int32, np.int64],
        "uint": [np.uint8, np.uint16, np.uint32, np.uint64],
        "float": [np.float16, np.float32, np.float64],
        "complex": [np.complex64, np.complex128],
        "others": [bool, object, bytes, str, np.void],
    }
    names = {"sctypes": sctypes, "bool": bool, "complex": complex}
    absent = {name: value for name, value in names.items() if name not in np.__dict__}
    for name, value in absent.items():
        setattr(np, name, value)
    return bool(absent)


def _gloo_without_cuda() -> bool:
    """Lets MMEngine's launchers start on machines whose PyTorch has no CUDA.

    Reason: MMEngine calls ``torch.cuda.set_device`` for every back end, gloo too, and a CPU
    build of PyTorch has no such function inside.
    """
    import torch

    if hasattr(torch._C, "_cuda_setDevice"):
        return False
    torch.cuda.set_device = lambda device: None
    return True


def _stores_of_restarts() -> bool:
    """Keeps apart what the processes of a restart by torchrun tell each other, on one host.

    Reason: torchrun's store outlives a restart, and PyTorch no longer puts the number of the
    attempt before the keys. A process that starts sooner than another finds the address that the
    other had before, and gloo waits for it until its timeout, half an hour. On several hosts each
    counts restarts for itself, so there it stays as it is.
    """
    distributed: Any = importlib.import_module("torch.distributed")
    if not distributed.is_available():
        return False
    rendezvous: Any = importlib.import_module("torch.distributed.rendezvous")
    create = getattr(rendezvous, "_create_c10d_store", None)
    if create is None or "PrefixStore" in inspect.getsource(create):
        return False

    @functools.wraps(create)
    def create_apart(*args: Any, **kwargs: Any) -> Any:
        store = create(*args, **kwargs)
        of_torchrun = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
        if not of_torchrun or os.environ.get("GROUP_WORLD_SIZE") != "1":
            return store
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return distributed.PrefixStore(f"attempt_{attempt}", store)

    rendezvous._create_c10d_store = create_apart
    return True


def inferencer_takes_our_loader(module: types.ModuleType) -> None:
    """Lets MMOCR's inferencers read with pipelines that begin with ``LoadAOCRImage``.

    Reason: they replace a loader by their own, which takes arrays too, and know it by two names
    only; a converted checkpoint's pipeline, with TensorFlow's pixels, is refused. Files are then
    read by ``LoadAOCRImage``, arrays as they are.

    Args:
        module: ``mmocr.apis.inferencers.base_mmocr_inferencer``.
    """
    inferencer = module.BaseMMOCRInferencer
    build_pipeline = inferencer._init_pipeline

    def init_pipeline(self: object, cfg: Any) -> Any:
        steps = cfg.test_dataloader.dataset.pipeline
        first = dict(steps[0])
        if first["type"] != "LoadAOCRImage":
            return build_pipeline(self, cfg)
        steps[0]["type"] = "LoadImageFromFile"
        pipeline = build_pipeline(self, cfg)
        from mmocr.registry import TRANSFORMS

        pipeline.transforms[0].from_file = TRANSFORMS.build(first)
        return pipeline

    inferencer._init_pipeline = init_pipeline


_MENDS: dict[str, Callable[[], bool]] = {
    "torchvision-operators": _torchvision_operators,
    "mmcv-operators": _mmcv_operators,
    "imgaug-numpy": _numpy_names_for_imgaug,
    "gloo-without-cuda": _gloo_without_cuda,
    "stores-of-restarts": _stores_of_restarts,
}
_keep_alive: list[object] = []


def apply() -> list[str]:
    """Applies, once a process, every mend that the installed stack needs.

    Returns:
        The names of the mends that were needed.
    """
    global _done
    if not _done:
        _done = True
        if importlib.util.find_spec("torch") is not None:
            for name, mend in _MENDS.items():
                if mend():
                    APPLIED.append(name)
            if APPLIED:
                logging.getLogger(__name__).debug("mended: %s", ", ".join(APPLIED))
    return list(APPLIED)


def before_mmocr() -> None:
    """Applies the mends, unless they :data:`wait`."""
    if not wait:
        apply()


def reasons() -> dict[str, str]:
    """Returns for each mend, by name, the first line of what it does."""
    return {name: (mend.__doc__ or "").splitlines()[0] for name, mend in _MENDS.items()}
