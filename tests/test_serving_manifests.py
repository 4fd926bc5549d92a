"""The manifests against Kubernetes' own schemas, and against the server that they start."""

import argparse

import pytest
import yaml
from conftest import ROOT

from aocr_plugin.cli.serve import parse_args


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
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert grace >= pause + args.timeout + 5
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


def test_probes_are_addresses_of_the_server(manifests):
    pytest.importorskip("litserve", reason="the extra [serve] is not installed")
    from serving_side import in_thread

    (container,) = by_kind(manifests, "Deployment")["spec"]["template"]["spec"]["containers"]
    with in_thread() as ask:
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert ask("GET", container[probe]["httpGet"]["path"])[0] == 200
