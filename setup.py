"""Installs aocr_plugin. Tested versions of everything are in ``constraints.txt``."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION: dict[str, str] = {}
exec((HERE / "aocr_plugin" / "version.py").read_text(), VERSION)
MMOCR = [
    "mmdet>=3.1.0,<3.2.0",
    "mmengine>=0.10.7,<1.0.0",
    "mmocr==1.0.1",
    "setuptools<81",
    "torch>=2.6",
    "torchvision",
]


class BuildWithConfigs(build_py):
    """Puts configs and tools where the command ``aocr`` and mim look outside of a checkout."""

    def run(self) -> None:
        """Copies them, and mim's index, to ``aocr_plugin/.mim`` of what is built."""
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib) / "aocr_plugin" / ".mim"
            no_caches = shutil.ignore_patterns("__pycache__")
            for name in ("configs", "tools"):
                shutil.copytree(HERE / name, target / name, ignore=no_caches, dirs_exist_ok=True)
            shutil.copy(HERE / "model-index.yml", target)


setup(
    name="aocr-plugin",
    version=VERSION["__version__"],
    description="aocr's attention-based text recogniser as a plugin for MMOCR",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["aocr_plugin", "aocr_plugin.*"]),
    package_data={
        "aocr_plugin": [
            "py.typed",
            "visualization/report_page/*",
            "serving/page/*",
            "synthesis/words.txt",
            "weights/*",
        ]
    },
    cmdclass={"build_py": BuildWithConfigs},
    entry_points={"console_scripts": ["aocr = aocr_plugin.cli.aocr.main:command"]},
    # What reads images with an exported network, and what prepares data, needs no PyTorch.
    install_requires=[
        "fsspec>=2024.2",
        "google-crc32c>=1.5",
        "lmdb>=1.4.1",
        "numpy>=1.26",
        "opencv-python>=4.8",
        "pillow>=10",
        "rapidfuzz>=3",
        "simplejpeg>=1.7",
    ],
    extras_require={
        # mmcv is not in [mmocr]: mmcv-lite would overwrite a full mmcv. [cpu] brings it.
        "mmocr": MMOCR,
        "cpu": [*MMOCR, "mmcv-lite>=2.0.1,<2.1.0"],
        "runtime": ["onnxruntime>=1.17"],
        "openvino": ["openvino>=2024.4"],
        "export": ["onnx>=1.16", "onnxruntime>=1.17", "onnxruntime-extensions>=0.15.2"],
        "batch": ["pyarrow>=21,<24", "ray[data]>=2.60"],
        "bytes": ["onnxruntime>=1.17", "onnxruntime-extensions>=0.15.2"],
        # MMDeploy's pin of protobuf (<= 3.20.2) does not go with the extra [tensorflow].
        "deploy": [
            *MMOCR,
            "h5py>=3",
            "mmdeploy==1.3.1",
            "mmdeploy-runtime==1.3.1",
            "onnx>=1.16",
            "onnxruntime>=1.17",
        ],
        "demo": ["captcha>=0.6", "matplotlib>=3.7"],
        "gs": ["gcsfs>=2024.2"],
        # Exact: the detector's steps are taken one by one. Its wheel holds the weights.
        "page": ["rapidocr-onnxruntime==1.4.4; python_version < '3.13'"],
        "s3": ["s3fs>=2024.2"],
        "serve": [
            "fastapi>=0.115",
            "fastapi-offline>=1.7",
            "litserve==0.2.19",  # the server uses parts of it, and of Uvicorn, that may change
            "prometheus-client>=0.20",
            "uvicorn[standard]>=0.54,<0.55",
        ],
        "synthesis": ["fonttools>=4.40", "matplotlib>=3.7"],  # the latter brings a few fonts
        "tensorboard": ["tensorboard>=2.15"],
        "tensorflow": ["tensorflow-cpu>=2.15"],
        "test": [
            "aenum",  # to prettytable: MMDeploy's own, which the Makefile installs without its pins
            "multiprocess",
            "prettytable",
            "captcha>=0.6",
            "fastapi>=0.115",
            "fastapi-offline>=1.7",
            "fonttools>=4.40",
            "h5py>=3",
            "kubernetes-validate>=1.37",
            "litserve==0.2.19",
            "matplotlib>=3.7",
            "moto[server]>=5",
            "mypy",
            "onnx>=1.16",
            "onnxruntime>=1.17",
            "onnxruntime-extensions>=0.15.2",
            "openvino>=2024.4",
            "prometheus-client>=0.20",
            "pyarrow>=21,<24",
            "pytest>=8",
            "pytest-rerunfailures>=16",
            "pytest-xdist>=3.8",
            "rapidocr-onnxruntime==1.4.4; python_version < '3.13'",
            "ray[data]>=2.60",
            "ruff",
            "s3fs>=2024.2",
            "schemathesis>=4.32",
            "selenium>=4.20",
            "tensorboard>=2.15",
            "tensorflow-cpu>=2.15",
            "uvicorn[standard]>=0.54,<0.55",
        ],
    },
)
