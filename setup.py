"""Installs aocr_plugin. Tested versions of everything are in ``constraints.txt``."""

from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION: dict[str, str] = {}
exec((HERE / "aocr_plugin" / "version.py").read_text(), VERSION)

setup(
    name="aocr-plugin",
    version=VERSION["__version__"],
    description="aocr's attention-based text recogniser as a plugin for MMOCR",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    packages=find_packages(include=["aocr_plugin", "aocr_plugin.*"]),
    package_data={"aocr_plugin": ["py.typed"]},
    # mmcv is not among these: mmcv-lite would overwrite a full mmcv. The extra [cpu] brings it.
    install_requires=[
        "mmdet>=3.1.0,<3.2.0",
        "mmengine>=0.10.7,<1.1.0",
        "mmocr==1.0.1",
        "numpy>=1.26",
        "opencv-python>=4.8",
        "pillow>=10",
        "rapidfuzz>=3",
        "setuptools<81",
        "torch>=2.6",
        "torchvision",
    ],
    extras_require={
        "cpu": ["mmcv-lite>=2.0.1,<2.2.0"],
        "demo": ["captcha>=0.6", "matplotlib>=3.7"],
        "test": ["captcha>=0.6", "matplotlib>=3.7", "mypy", "pytest>=8", "ruff"],
    },
)
