"""The manifests against Kubernetes' own schemas, and against the server that they start."""

import argparse

import pytest
import yaml
from conftest import ROOT

pytest.importorskip("litserve", reason="the extra [serve] is not installed")
from prometheus_client.parser import text_string_to_metric_families
from serving_side import PretendEngine, in_thread

from aocr_plugin.cli.serve import parse_args
from aocr_plugin.serving.run import GRACE
from aocr_plugin.serving.settings import Settings


@pytest.fixture(scope="module")
def manifests():
    return list(yaml.safe_load_all((ROOT / "serving/kubernetes.yaml").read_text()))


def by_kind(manifests, kind):
    (found,) = [one for one in manifests if one["kind"] == kind]
    return found


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_kubernetes_schemas_take_them(manifests, version):
    validate = pytest.importorskip("kubernetes_validate", reason="it is not installed").validate
    kinds = [validate(one, version, strict=True) and one["kind"] for one in manifests]
    assert len(kinds) == 4
    manifests[1]["spec"]["port"] = 3
    with pytest.raises(Exception, match="port"):
        validate(manifests[1], version, strict=True)
    del manifests[1]["spec"]["port"]


def test_they_fit_the_server_and_each_other(manifests):
    deployment = by_kind(manifests, "Deployment")
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    args = parse_args(container["args"])
    assert isinstance(args, argparse.Namespace) and args.host == "0.0.0.0"  # noqa: S104
    (port,) = container["ports"]
    assert port["containerPort"] == args.port == 8501
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == str(args.port)
    assert pod["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert grace >= pause + args.timeout + GRACE
    startup = container["startupProbe"]
    patience = Settings(args.model).start_timeout
    assert startup["periodSeconds"] * startup["failureThreshold"] >= patience
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) << 30
    assert memory >= 4 * args.max_held + (1 << 30)  # bodies, decoded; the model and its batches
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["spec"]["volumes"]}
    labels = pod["metadata"]["labels"].items()
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        by_kind(manifests, "Service")["spec"]["selector"],
        by_kind(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    (entry,) = by_kind(manifests, "Service")["spec"]["ports"]
    assert entry["targetPort"] == port["name"]
    target = by_kind(manifests, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert target["name"] == deployment["metadata"]["name"]


def test_probes_and_metrics_are_addresses_of_the_server(manifests):
    pod = by_kind(manifests, "Deployment")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    with in_thread() as ask:
        status, text, _ = ask("GET", pod["metadata"]["annotations"]["prometheus.io/path"])
        names = {family.name for family in text_string_to_metric_families(text)}
        assert status == 200 and {"aocr_requests", "aocr_ready", "process_cpu_seconds"} <= names
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert ask("GET", container[probe]["httpGet"]["path"])[0] == 200
    engine = PretendEngine()
    engine.ready = lambda: False
    with in_thread(engine) as ask:
        assert ask("GET", container["readinessProbe"]["httpGet"]["path"])[0] == 503
        assert ask("GET", container["livenessProbe"]["httpGet"]["path"])[0] == 200


def test_the_image_has_what_the_package_is_built_from():
    kept = (ROOT / "serving/Dockerfile.dockerignore").read_text().split("\n")
    names = [line[1:] for line in kept if line.startswith("!")]
    needed = "setup.py constraints.txt aocr_plugin configs tools model-index.yml README.md"
    assert set(needed.split()) <= set(names)
    assert [name for name in names if not (ROOT / name).exists()] == []
