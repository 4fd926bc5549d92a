"""A module that stands in for TensorRT's Python package where there is no GPU.

An "engine" is the ONNX file itself and what the builder was told; it is run by ONNX Runtime, on the
CPU, from and to the addresses that it is given. What is not of TensorRT's interface is not here.
"""

import ctypes
import enum
import importlib.machinery
import json
import sys
import types

import numpy as np
import onnxruntime


class Logger:
    class Severity(enum.Enum):
        ERROR = 1

    ERROR = Severity.ERROR
    INFO = WARNING = VERBOSE = Severity.ERROR

    def __init__(self, level=None):
        pass


class ParserError:
    def node(self):
        return 3

    def desc(self):
        return "no such operator"


class OnnxParser:
    num_errors = 0

    def __init__(self, network, logger):
        self.network = network

    def parse(self, data):
        known = b"Odd" not in data
        self.num_errors = int(not known)
        self.network.data = data
        return known

    def parse_from_file(self, path):
        with open(path, "rb") as file:
            return self.parse(file.read())

    def get_error(self, index):
        return ParserError()


class INetworkDefinition:
    data = b""


class IOptimizationProfile:
    shapes: tuple = ()

    def set_shape(self, name, *shapes):
        assert name == "input" and len(shapes) == 3
        self.shapes = shapes


class IBuilderConfig:
    def __init__(self):
        self.told = {"flags": ["TF32"], "limit": 0, "shapes": None}

    def set_memory_pool_limit(self, pool, size):
        self.told["limit"] = size

    def set_flag(self, flag):
        self.told["flags"].append(flag.name)

    def clear_flag(self, flag):
        self.told["flags"].remove(flag.name)

    def add_optimization_profile(self, profile):
        self.told["shapes"] = profile.shapes
        return 0


class Builder:
    fails = False

    def __init__(self, logger):
        pass

    def create_network(self, flags=0):
        network = INetworkDefinition()
        network.flags = flags
        return network

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        if self.fails:
            return None
        return json.dumps(config.told | {"network": network.flags}).encode() + b"\0" + network.data


class TensorIOMode(enum.Enum):
    INPUT = 1
    OUTPUT = 2


class IExecutionContext:
    def __init__(self, session, shapes):
        self.session, self.shapes, self.places = session, shapes, {}

    def set_input_shape(self, name, shape):
        self.shape = shape
        low, _, high = self.shapes
        return all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True))

    def get_tensor_shape(self, name):
        (output,) = (one for one in self.session.get_outputs() if one.name == "output")
        steps, symbols = output.shape[1:]
        columns = (self.shape[3] + 3) // 4
        return (self.shape[0], steps, symbols if name == "output" else columns)

    def set_tensor_address(self, name, place):
        self.places[name] = place

    def execute_async_v3(self, stream):
        found = self.session.run(["output", "attention"], {"input": self._at("input", self.shape)})
        for name, value in zip(("output", "attention"), found, strict=True):
            self._at(name, value.shape)[:] = value
        return True

    def _at(self, name, shape):
        kind = ctypes.c_float * int(np.prod(shape))
        return np.frombuffer(kind.from_address(self.places[name]), np.float32).reshape(shape)


class ICudaEngine:
    num_io_tensors = 3

    def __init__(self, data):
        told, model = data.split(b"\0", 1)
        self.told, self.session = (
            json.loads(told),
            onnxruntime.InferenceSession(model, disabled_optimizers=["NchwcTransformer"]),
        )

    def get_tensor_name(self, index):
        return ("input", "output", "attention")[index]

    def get_tensor_mode(self, name):
        return TensorIOMode.INPUT if name == "input" else TensorIOMode.OUTPUT

    def create_execution_context(self):
        return IExecutionContext(self.session, self.told["shapes"])


class Runtime:
    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, data):
        return ICudaEngine(data) if b"\0" in data else None


def module(version):
    """Returns the stand-in for a version: "8.5", "10.1" or "11.4"."""
    major = int(version.split(".")[0])
    kinds = {
        8: ["EXPLICIT_BATCH"],
        10: ["EXPLICIT_BATCH", "STRONGLY_TYPED"],
        11: ["STRONGLY_TYPED"],
    }
    flags = ["TF32"] if major > 10 else ["TF32", "FP16", "INT8"]
    made = types.ModuleType("tensorrt")
    here = sys.modules[__name__]
    made.__dict__.update(
        {n: getattr(here, n) for n in dir(here) if isinstance(getattr(here, n), type)}
    )
    made.__version__ = version
    made.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)
    made.NetworkDefinitionCreationFlag = enum.IntEnum(
        "NetworkDefinitionCreationFlag", kinds[major], start=0
    )
    made.BuilderFlag = enum.Enum("BuilderFlag", flags)
    made.MemoryPoolType = enum.Enum("MemoryPoolType", ["WORKSPACE"])
    if major < 11:  # what MMDeploy's import needs
        made.IGpuAllocator = made.DataType = made.TensorLocation = object
        made.CalibrationAlgoType = enum.Enum("CalibrationAlgoType", ["ENTROPY_CALIBRATION_2"])
    return made
