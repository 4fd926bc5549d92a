"""The cloud templates say the same thing, to each other, to the training and to Kubernetes."""

import copy

import pytest
from cloud_side import command_lines, kubernetes, only, started, template
from conftest import ROOT
from mmengine.config import Config

from aocr_plugin.cli.train import parse_args


def environment(container):
    return {one["name"]: one.get("value") for one in container["env"]}


def test_all_run_one_command_line_that_the_training_takes(tmp_path):
    lines = command_lines(tmp_path)
    assert len(lines) == 3
    parsed = {name: vars(parse_args(line)) for name, line in lines.items()}
    (first, *others) = parsed.values()
    assert all(other == first for other in others)
    assert first["resume"] and first["launcher"] == "pytorch"
    assert first["work_dir"] == "gs://BUCKET/run"
    parsed["vertex"]["cfg_options"]["train_dataloader.batch_size"] = 65
    assert parsed["vertex"] != parsed["kubernetes"]


def test_its_settings_are_the_configs_own(tmp_path):
    args = parse_args(command_lines(tmp_path)["vertex"])
    assert only("COPY", "configs") == "configs /aocr/configs"
    assert only("WORKDIR") == "/aocr"
    cfg = Config.fromfile(ROOT / args.config, import_custom_modules=False)
    for name, value in args.cfg_options.items():
        *way, last = name.split(".")
        place = cfg
        for step in way:
            place = place[step]
        assert last in place and place[last] != value, name
    cfg.merge_from_dict(args.cfg_options)
    assert cfg.train_dataloader.batch_size == 512
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        assert loader.dataset.type == "AOCRRecordDataset"
        assert loader.dataset.ann_file.startswith("gs://BUCKET/")


@pytest.mark.parametrize("version", ["1.29", "1.37"])
def test_kubernetes_schemas_take_the_job(version):
    validate = pytest.importorskip("kubernetes_validate", reason="it is not installed").validate
    for one in kubernetes():
        validate(one, version, strict=True)
    broken = copy.deepcopy(kubernetes()[1])
    broken["spec"]["podFailurePolicies"] = broken["spec"].pop("podFailurePolicy")
    with pytest.raises(Exception, match="podFailurePolicies"):
        validate(broken, version, strict=True)


def test_hosts_of_the_kubernetes_job_find_each_other():
    service, job = kubernetes()
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    env = environment(container)
    hosts = job["spec"]["completions"]
    assert job["spec"]["completionMode"] == "Indexed"
    assert hosts == job["spec"]["parallelism"] == int(env["PET_NNODES"])
    assert service["spec"]["clusterIP"] == "None"
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert env["PET_MASTER_ADDR"] == f"{name}-0.{pod['subdomain']}"
    (port,) = service["spec"]["ports"]
    assert int(env["PET_MASTER_PORT"]) == port["port"]
    (rank,) = (one for one in container["env"] if one["name"] == "PET_NODE_RANK")
    path = rank["valueFrom"]["fieldRef"]["fieldPath"]
    assert path == "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    gpus = container["resources"]["limits"]["nvidia.com/gpu"]
    assert gpus == int(env["PET_NPROC_PER_NODE"])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod["volumes"]}
    assert env["XDG_CACHE_HOME"].startswith(mounts["scratch"] + "/")
    assert pod["restartPolicy"] == "Never"  # podFailurePolicy asks for it
    assert f"--uid {pod['securityContext']['runAsUser']} " in only("RUN", "useradd")


def test_vertex_starts_a_process_for_each_gpu():
    (pool,) = template("vertex.yaml")["workerPoolSpecs"]
    processes = environment(pool["containerSpec"])["PET_NPROC_PER_NODE"]
    assert pool["replicaCount"] == 1
    assert int(processes) == pool["machineSpec"]["acceleratorCount"]


@pytest.mark.parametrize(("gpus", "processes"), [("0", "1"), ("4", "4"), (None, "1")])
def test_skypilots_variables_become_torchruns(gpus, processes, tmp_path):
    given = dict(SKYPILOT_NUM_NODES="2", SKYPILOT_NODE_RANK="1", SKYPILOT_NODE_IPS="10.0.0.7\n::1")
    given |= {} if gpus is None else {"SKYPILOT_NUM_GPUS_PER_NODE": gpus}
    _, flags = started(tmp_path, **given)
    assert flags == dict(
        PET_NNODES="2",
        PET_NODE_RANK="1",
        PET_MASTER_ADDR="10.0.0.7",
        PET_MASTER_PORT="29500",
        PET_NPROC_PER_NODE=processes,
    )


def test_image_and_machine_install_the_same():
    wanted = "-c {0}constraints.txt '{0}[cpu,gs,s3]'"
    assert wanted.format("/src/").replace("/[", "[") in only("RUN", "pip install")
    assert wanted.format("").replace("'[", "'.[") in template("skypilot.yaml")["setup"]
    images = [
        template("vertex.yaml")["workerPoolSpecs"][0]["containerSpec"]["imageUri"],
        kubernetes()[1]["spec"]["template"]["spec"]["containers"][0]["image"],
    ]
    assert images == ["REGISTRY/aocr-train:0.1.0"] * 2
