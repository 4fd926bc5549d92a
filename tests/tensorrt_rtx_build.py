"""Parses an ONNX file with TensorRT-RTX and compiles it for GPUs that are not there.

python tensorrt_rtx_build.py FILE.onnx SM [SM ...]; exit code 3 where the parser refuses the file.
"""

import sys

import tensorrt_rtx_bindings as trt

SHAPES = ((1, 8), (8, 128), (32, 512))  # batch and width: least, best, most; as configs/deploy


def main(path, *sms):
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    with open(path, "rb") as file:
        data = file.read()
    asked = builder.create_network(flags)
    if not trt.OnnxParser(asked, logger).supports_model_v2(data):
        return 3
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(data):
        return 3
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    images = network.get_input(0)
    if -1 in tuple(images.shape):
        channels = images.shape[1]
        profile.set_shape(images.name, *[(n, channels, 32, w) for n, w in SHAPES])
        config.add_optimization_profile(profile)
    config.num_compute_capabilities = 1
    for sm in sms:
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{sm}"), 0)
        if builder.build_serialized_network(network, config) is None:
            return 4
        print(f"SM{sm} built", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
