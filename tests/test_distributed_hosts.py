"""Two hosts (network namespaces with addresses of their own), and Slurm's and MPI's launchers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from distributed_side import alone, largest_difference, quiet, run, set_once, train_line

pytestmark = pytest.mark.slow
HALF = "train_dataloader.batch_size=4"


def ip(words):
    return subprocess.run(["ip", *words.split()], capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Two namespaces joined by a cable; yields {name: address}."""
    if shutil.which("ip") is None:
        pytest.skip("hosts are network namespaces, made by 'ip' of iproute2, which is missing")
    tag = f"{os.getpid():x}"
    found = {f"aocr{tag}a": "10.97.13.1", f"aocr{tag}b": "10.97.13.2"}
    first, second = found
    made = ip(f"netns add {first}")
    if made.returncode:
        pytest.skip(f"network namespaces are not permitted here: {made.stderr.strip()}")
    try:
        ip(f"netns add {second}")
        cable = ip(f"link add cable0 netns {first} type veth peer name cable0 netns {second}")
        if cable.returncode:
            pytest.skip(f"no cable between namespaces here: {cable.stderr.strip()}")
        for name, address in found.items():
            for words in (f"addr add {address}/24 dev cable0", "link set cable0 up"):
                assert ip(f"-n {name} {words}").returncode == 0
            ip(f"-n {name} link set lo up")
        yield found
    finally:
        for name in found:
            ip(f"netns del {name}")


def start(host, number, first, line):
    """Starts torchrun's agent on a host."""
    agent = [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]
    agent += [f"--node-rank={number}", f"--master-addr={first}", "--master-port=29555"]
    return subprocess.Popen(
        ["ip", "netns", "exec", host, *agent, *line],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=quiet() | {"GLOO_SOCKET_IFNAME": "cable0"},
    )


def test_two_hosts_train_as_one_process(hosts, tmp_path):
    line = train_line(set_once(), tmp_path, HALF, flags=("--launcher", "pytorch"))
    first = next(iter(hosts.values()))
    agents = [start(host, number, first, line) for number, host in enumerate(hosts)]
    said = [agent.communicate(timeout=90)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], said[0][-3000:] + said[1][-3000:]
    assert largest_difference(alone() / "iter_8.pth", tmp_path / "iter_8.pth") < 1e-4


def worker_below(pid):
    """The training process below 'ip' or torchrun's agent."""
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def test_a_death_on_one_host_ends_the_job_on_both(hosts, tmp_path):
    options = (HALF, "train_cfg.max_iters=4000")
    line = train_line(set_once(), tmp_path, *options, flags=("--launcher", "pytorch"))
    first = next(iter(hosts.values()))
    agents = [start(host, number, first, line) for number, host in enumerate(hosts)]
    limit = time.monotonic() + 60
    while not (tmp_path / "iter_4.pth").exists():
        assert all(agent.poll() is None for agent in agents) and time.monotonic() < limit
        time.sleep(0.02)
    os.kill(worker_below(agents[1].pid), signal.SIGKILL)
    killed = time.monotonic()
    said = [agent.communicate(timeout=60)[0] for agent in agents]
    assert time.monotonic() - killed < 20
    assert all(agent.returncode for agent in agents)
    assert "error: rank 0 lost its connection to the other processes" in said[0]
    assert "--resume" in said[0] and "SIGKILL" in said[1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def start_all(line, environments):
    """Starts a process for each environment; checks that all end well."""
    processes = [
        subprocess.Popen(
            [sys.executable, *line],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=quiet() | environment,
        )
        for environment in environments
    ]
    said = [process.communicate(timeout=90)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said[0][-3000:]


def test_as_slurm_starts_it(tmp_path):
    """Slurm's variables, and a stand-in for the program that MMEngine asks for the first host."""
    stub = tmp_path / "bin" / "scontrol"
    stub.parent.mkdir()
    stub.write_text(
        '#!/bin/sh\n[ "$1 $2 $3" = "show hostname node[1-2]" ] && printf "127.0.0.1\\nnode2\\n"\n'
    )
    stub.chmod(0o755)
    shared = {"SLURM_NTASKS": "2", "SLURM_NODELIST": "node[1-2]", "MASTER_PORT": free_port()}
    shared["PATH"] = f"{stub.parent}:{os.environ['PATH']}"
    ranks = [{"SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank)} for rank in range(2)]
    line = train_line(set_once(), tmp_path / "run", HALF, flags=("--launcher", "slurm"))
    start_all(line, [shared | rank for rank in ranks])
    assert largest_difference(alone() / "iter_8.pth", tmp_path / "run" / "iter_8.pth") < 1e-4


def mpi_environments():
    shared = {"OMPI_COMM_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [
        shared | {"OMPI_COMM_WORLD_RANK": str(rank), "OMPI_COMM_WORLD_LOCAL_RANK": str(rank)}
        for rank in range(2)
    ]


def test_as_open_mpi_starts_it(tmp_path):
    """Open MPI's own mpirun where it is installed, else the variables that it sets."""
    line = train_line(set_once(), tmp_path, HALF, flags=("--launcher", "mpi"))
    if shutil.which("mpirun"):
        places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
        mpirun = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2"]
        run([*mpirun, "-x", "MASTER_ADDR", "-x", "MASTER_PORT", sys.executable, *line], env=places)
    else:
        start_all(line, mpi_environments())
    assert largest_difference(alone() / "iter_8.pth", tmp_path / "iter_8.pth") < 1e-4
