"""What the image would do: the wheel of its context, its command with the templates' arguments.

The buckets are real servers on loopback: for gs:// an emulator of Google's, for s3:// moto's.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from importlib.metadata import entry_points

import pytest
import torch
from cloud_side import command_lines, context, kubernetes, only, tool
from conftest import ROOT
from object_store import free_port, s3, s3_port  # noqa: F401
from test_mixing_wheel import installed, run  # noqa: F401

from aocr_plugin import storage
from aocr_plugin.cli.convert_dataset import main as convert

pytestmark = pytest.mark.slow

GCS = """gcsfs google-api-core google-cloud-storage google-cloud-storage-control grpcio-status
    googleapis-common-protos decorator google-auth-oauthlib google-cloud-core grpc-google-iam-v1
    google-resumable-media proto-plus requests-oauthlib oauthlib""".split()
EMULATOR = ["gcp-storage-emulator==2026.7.19", "fs==2.4.16", "appdirs"]
SERVE = "import sys; from gcp_storage_emulator.server import create_server as c; "
SERVE += "c('127.0.0.1', int(sys.argv[1]), in_memory=True, default_bucket='bucket').run()"
QUICK = [  # in place of 512 images and 1500 steps
    "train_dataloader.batch_size=4",
    "train_dataloader.num_workers=0",
    "train_dataloader.persistent_workers=False",
    "optim_wrapper.precision=fp32",
    "train_cfg.max_iters=20",
    "train_cfg.val_interval=10",
    "default_hooks.checkpoint.interval=2",
]


@pytest.fixture(scope="module")
def built_from(tmp_path_factory):
    """What of the checkout the image is built from."""
    return context("cloud/Dockerfile", tmp_path_factory.mktemp("context") / "src")


@pytest.fixture(scope="module")
def wheel(built_from, tmp_path_factory):
    """The wheel; replaces that of the imported fixture ``installed``."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ("wheel", "--no-deps", "--no-build-isolation", "-q", "-w", folder, built_from)
    run(sys.executable, "-m", "pip", *build, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture
def start(installed, built_from, tmp_path):  # noqa: F811
    """Starts the image's command as a host of the Kubernetes job, with an empty cache."""
    assert only("COPY", "configs") == "configs /aocr/configs"
    script, *words = json.loads(only("ENTRYPOINT"))
    (found,) = entry_points(group="console_scripts", name=script)
    command = [str(installed[0]), "-m", found.module, *words]
    line = command_lines(tmp_path)["kubernetes"]
    (container,) = kubernetes()[1]["spec"]["template"]["spec"]["containers"]
    processes, folders = [], []

    def start(url, *options, rank=0, **env):
        folder = tmp_path / f"aocr-{len(folders)}"  # the WORKDIR, with nothing but the configs
        folder.mkdir()
        (folder / "configs").symlink_to(built_from / "configs")
        folders.append(folder)
        flags = {one["name"]: one.get("value", str(rank)) for one in container["env"]}
        flags |= {"PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": str(free_port())}
        flags["XDG_CACHE_HOME"] = str(tmp_path / f"cache-{len(processes)}")
        process = subprocess.Popen(
            [*command, *(word.replace("gs://BUCKET", url) for word in line), *QUICK, *options],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"} | flags | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    for folder in folders:
        assert os.listdir(folder) == ["configs"]  # the image's user may not write there


@contextmanager
def google(port, place):
    """Runs the emulator with one empty bucket; yields a function that lists it."""
    env = os.environ | {"PYTHONPATH": str(place)}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def names():
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/storage/v1/b/bucket/o") as answer:
            return {one["name"] for one in json.load(answer).get("items", [])}

    try:
        end = time.time() + 60
        while True:
            try:
                names()
                break
            except OSError:
                assert server.poll() is None and time.time() < end, "the emulator did not start"
                time.sleep(0.1)
        yield names
    finally:
        server.kill()
        server.wait()


def put(port, name, data):
    url = f"http://127.0.0.1:{port}/upload/storage/v1/b/bucket/o?uploadType=media&name={name}"
    urllib.request.urlopen(urllib.request.Request(url, data, method="POST")).close()


@pytest.fixture
def records(words, tmp_path):
    """The words as TFRecords, by the names that the templates have."""
    for name in ("training", "validation"):
        assert convert([str(words), str(tmp_path / f"{name}.tfrecords")]) == 0
    return [tmp_path / "training.tfrecords", tmp_path / "validation.tfrecords"]


@pytest.fixture(scope="module")
def gcs():
    """A folder with gcsfs, in the versions that the image has, and with the emulator."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {line.split("==")[0]: line for line in lines}
    assert pins["gcsfs"] != "gcsfs"
    return tool("gcs", [*(pins.get(name, name) for name in GCS), *EMULATOR])


def test_on_googles_storage_a_preempted_job_goes_on_by_the_same_line(
    start,
    gcs,
    records,
):
    port = free_port()
    env = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{port}", "PYTHONPATH": str(gcs)}
    env["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"  # or it asks Google what kind of bucket
    with google(port, gcs) as listed:
        for path in records:
            put(port, path.name, path.read_bytes())
        job, end = start("gs://bucket", **env), time.time() + 300
        while "run/iter_4.pth" not in listed():
            assert job.poll() is None and time.time() < end, job.stdout.read()
            time.sleep(0.05)
        job.send_signal(signal.SIGTERM)  # as Kubernetes, Vertex AI and SkyPilot end a job
        output, _ = job.communicate(timeout=120)
        assert job.returncode != 0 and "run/iter_20.pth" not in listed(), output
        job = start("gs://bucket", **env)
        output, _ = job.communicate(timeout=300)
        assert job.returncode == 0, output
        assert re.search(r"resumed epoch: 0, iter: (4|6|8|1\d)\b", output), output
        assert {"run/iter_20.pth", "run/best.pth", "run/last_checkpoint"} < listed()


def test_two_hosts_of_the_kubernetes_job_train_as_one(start, records, s3, tmp_path):  # noqa: F811
    for path in records:
        storage.upload(path, f"{s3}/{path.name}")
    flags = dict(PET_NNODES="2", PET_MASTER_PORT=str(free_port()))
    hosts = [start(s3, "train_cfg.max_iters=2", rank=rank, **flags) for rank in range(2)]
    outputs = [host.communicate(timeout=300)[0] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], "".join(outputs)
    assert "GPU number: 2" in outputs[0]  # MMEngine's name for processes
    assert "no checkpoint in" in outputs[0] and "iter_2.pth" in storage.files(f"{s3}/run")


def test_the_image_refuses_the_other_build_of_pytorch(installed, tmp_path):  # noqa: F811
    line = only("RUN", "python -c")
    have = "cuda" if torch.version.cuda else "cpu"
    path = {"PATH": f"{installed[0].parent}{os.pathsep}{os.environ['PATH']}"}
    for build, code in (("cpu", have != "cpu"), ("cuda", have != "cuda")):
        env = os.environ | path | {"BUILD": build}
        done = subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        assert (f"is the {have} build, not {build}" in done.stderr) == code
