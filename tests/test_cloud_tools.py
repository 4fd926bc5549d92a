"""The cloud templates before the tools that they are for; each refuses a broken copy."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from shutil import which

import pytest
import yaml
from cloud_side import CLOUD, HADOLINT, SKYPILOT, VERTEX, context, only, tool

pytestmark = pytest.mark.slow

READ_TASK = """
import sys, sky
from sky.exceptions import InvalidSkyPilotConfigError
for path in sys.argv[1:]:
    try:
        task = sky.Task.from_yaml(path)
    except InvalidSkyPilotConfigError as error:
        print("refused", error)
    else:
        (machine,) = task.resources
        print(sky.__version__, task.num_nodes, machine.cloud, machine.accelerators,
            machine.use_spot, machine.job_recovery["max_restarts_on_errors"])
"""
READ_SPEC = """
import json, sys
from google.cloud.aiplatform_v1.types import CustomJob
from google.protobuf import json_format
for line in sys.stdin:
    try:
        job = json_format.ParseDict(json.loads(line), CustomJob.pb()())
    except json_format.ParseError as error:
        print("refused", str(error).replace("\\n", " "))
    else:
        print(json_format.MessageToJson(job, indent=None))
"""


def ask(script, place, *arguments, cwd, given=None):
    """Runs a script with the packages of a folder; returns the lines it printed."""
    env = os.environ | {"PYTHONPATH": str(place), "HOME": str(cwd)}
    env["SKYPILOT_DISABLE_USAGE_COLLECTION"] = "1"
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=cwd,
        env=env,
        input=given,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_hadolint_finds_nothing_in_the_container_file(tmp_path):
    command = [tool("hadolint", HADOLINT) / "bin" / "hadolint", "--no-color"]
    text = (CLOUD / "Dockerfile").read_text()
    broken = tmp_path / "Dockerfile"
    for name, code, said in ((CLOUD / "Dockerfile", 0, ""), (broken, 1, "DL3020")):
        broken.write_text(text.replace("COPY configs", "ADD configs"))
        done = subprocess.run([*command, name], capture_output=True, text=True)
        assert done.returncode == code and said in done.stdout, done.stdout


def test_skypilot_takes_the_task(tmp_path):
    text = (CLOUD / "skypilot.yaml").read_text()
    (tmp_path / "whole.yaml").write_text(text)
    (tmp_path / "task.yaml").write_text(text.replace("num_nodes:", "nodes:"))
    (tmp_path / "machine.yaml").write_text(text.replace("use_spot:", "spot:"))
    names = ("whole.yaml", "task.yaml", "machine.yaml")
    whole, task, machine = ask(READ_TASK, tool("skypilot", SKYPILOT), *names, cwd=tmp_path)
    assert whole == "0.14.1 1 GCP {'L4': 1} True 3"
    assert task.startswith("refused") and "num_nodes" in task
    assert machine.startswith("refused") and "use_spot" in machine


@pytest.fixture(scope="module")
def vertex():
    return tool("vertex", VERTEX)


def test_googles_types_take_the_vertex_job(vertex, tmp_path):
    job = {"displayName": "aocr", "jobSpec": yaml.safe_load((CLOUD / "vertex.yaml").read_text())}
    name, kind = json.loads(json.dumps(job)), json.loads(json.dumps(job))
    name["jobSpec"]["workerPools"] = name["jobSpec"].pop("workerPoolSpecs")
    kind["jobSpec"]["scheduling"]["strategy"] = "CHEAP"
    given = "".join(json.dumps(one) + "\n" for one in (job, name, kind))
    taken, *refused = ask(READ_SPEC, vertex, cwd=tmp_path, given=given)
    found = json.loads(taken)["jobSpec"]
    (pool,), (ours,) = found["workerPoolSpecs"], job["jobSpec"]["workerPoolSpecs"]
    assert pool["containerSpec"] == ours["containerSpec"]
    assert pool["machineSpec"] == ours["machineSpec"]
    assert found["scheduling"] == job["jobSpec"]["scheduling"]
    assert "workerPools" in refused[0] and "CHEAP" in refused[1]


class Clerk(BaseHTTPRequestHandler):
    """Takes what gcloud would send to Google."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, json.loads(body)))
        answer = json.dumps({"name": self.path[len("/v1/") :].split("?")[0] + "/1"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_gcloud_sends_the_vertex_job_as_it_stands(vertex, tmp_path):
    if which("gcloud") is None:
        pytest.skip("gcloud is not installed")
    server = HTTPServer(("127.0.0.1", 0), Clerk)
    server.taken = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/"
    settings = dict(
        CONFIG=str(tmp_path),  # nobody's account
        AUTH_ACCESS_TOKEN="none",  # noqa: S106
        CORE_PROJECT="project",
        CORE_DISABLE_PROMPTS="1",
        CORE_DISABLE_USAGE_REPORTING="true",
        API_ENDPOINT_OVERRIDES_AIPLATFORM=address,
    )
    words = "gcloud ai custom-jobs create --region=us-central1 --display-name=aocr"
    try:
        done = subprocess.run(
            [*words.split(), f"--config={CLOUD / 'vertex.yaml'}"],
            env=os.environ | {f"CLOUDSDK_{name}": value for name, value in settings.items()},
            capture_output=True,
            text=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    assert done.returncode == 0, done.stderr
    ((path, job),) = server.taken
    assert path.startswith("/v1/projects/project/locations/us-central1/customJobs")
    (taken,) = ask(READ_SPEC, vertex, cwd=tmp_path, given=json.dumps(job))
    (pool,) = json.loads(taken)["jobSpec"]["workerPoolSpecs"]
    ours = yaml.safe_load((CLOUD / "vertex.yaml").read_text())
    assert pool["containerSpec"] == ours["workerPoolSpecs"][0]["containerSpec"]


def test_pip_resolves_what_the_image_installs(tmp_path):
    source = context("cloud/Dockerfile", tmp_path / "src")
    pins = (source / "constraints.txt").read_text()
    (source / "broken.txt").write_text(re.sub("gcsfs==.*", "gcsfs==2024.2.0", pins))
    words = re.search(r"pip (install .*?) &&", only("RUN", "pip install"))[1]
    words = words.replace("--no-cache-dir", "--dry-run -q --report report.json")

    def resolve(constraints):
        command = f'"$0" -m pip {words}'.replace("/src", str(source))
        command = command.replace("constraints.txt", constraints)
        return subprocess.run(
            ["sh", "-c", command, sys.executable], cwd=tmp_path, capture_output=True, text=True
        )

    done = resolve("constraints.txt")
    if done.returncode and "ResolutionImpossible" not in done.stderr:
        pytest.skip(f"pip finds no index here: {done.stderr[-300:]}")
    assert done.returncode == 0 and "does not provide the extra" not in done.stderr, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())["install"]
    (ours,) = (one for one in report if one["metadata"]["name"] == "aocr-plugin")
    named = re.search(r"\[(.*?)\]", words)[1].split(",")
    extras = ours.get("requested_extras", named)  # pip 23.0 leaves them out beside constraints
    assert set(extras) == {"cpu", "gs", "s3"}
    done = resolve("broken.txt")  # another fsspec than constraints.txt has
    assert done.returncode and "ResolutionImpossible" in done.stderr, done.stderr
