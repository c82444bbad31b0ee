"""Inference of the pair by other people's engines: the same weights (written by bench_pair), the same inputs, the same outputs.

usage: peers_infer.py prepare FOLDER               model.safetensors -> inputs, expected outputs, every engine's own format
       peers_infer.py FOLDER ENGINE PRECISION BATCH THREADS      one worker (worker.py)

The network: two ResNet-18 trunks without their heads, batch normalisation in eval mode, 224 x 224 RGB -> feature map [512, 7, 7];
257 x 200 log-spectrogram -> maximum over the positions of its feature map [512].
"""
import os
import sys

import numpy as np

import worker

N_CALIBRATION = 8


def pair(folder):
    import torch
    import torchvision
    from safetensors.torch import load_file

    def trunk(channels, prefix, weights):
        net = torchvision.models.resnet18()
        net.conv1 = torch.nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        own = {k[len(prefix):]: v for k, v in weights.items() if k.startswith(prefix)}
        missing, unexpected = net.load_state_dict(own, strict=False)
        if unexpected or [k for k in missing if not k.startswith("fc.") and not k.endswith("num_batches_tracked")]:
            raise SystemExit("weights do not fit torchvision's ResNet-18: %s %s" % (missing, unexpected))
        return torch.nn.Sequential(*list(net.children())[:-2])

    class Pair(torch.nn.Module):
        def __init__(self):
            super().__init__()
            weights = load_file(os.path.join(folder, "model.safetensors"))
            self.image, self.audio = trunk(3, "imgnet.", weights), trunk(1, "audnet.", weights)

        def forward(self, pictures, sounds):
            return self.image(pictures), self.audio(sounds).amax((2, 3))

    return Pair().eval()


# ---- files -------------------------------------------------------------------------------------------------------

def shapes(batch):
    return (batch, 3, 224, 224), (batch, 1, 257, 200)


def calibration(folder, batch):
    """The samples that every int8 engine is calibrated on, as batches."""
    pictures, sounds = inputs(folder, N_CALIBRATION, "calibration.f32")
    if batch > N_CALIBRATION:
        return [[np.concatenate([a, a])[:batch] for a in (pictures, sounds)]]
    return [[a[i:i + batch] for a in (pictures, sounds)] for i in range(0, N_CALIBRATION, batch)]


def noise(batch, seed):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s, np.float32) for s in shapes(batch)]


def inputs(folder, batch, name=None):
    flat = np.fromfile(os.path.join(folder, name or "input%d.f32" % batch), np.float32)
    split = batch * 3 * 224 * 224
    return flat[:split].reshape(shapes(batch)[0]), flat[split:].reshape(shapes(batch)[1])


def flatten(arrays):
    return np.concatenate([np.asarray(a, np.float32).ravel() for a in arrays])


def error(folder, batch, found):
    """Largest difference from PyTorch's f32, as a share of its largest value, of the map and of the vector; the worse of both."""
    expected, split = np.fromfile(os.path.join(folder, "expected%d.f32" % batch), np.float32), batch * 512 * 49
    found = flatten(found)
    return float(max(np.abs(e - f).max() / np.abs(e).max()
                     for e, f in ((expected[:split], found[:split]), (expected[split:], found[split:]))))


def prepare_onnx(folder, net, batch):
    import torch
    path = os.path.join(folder, "pair%d.onnx" % batch)
    example = tuple(torch.from_numpy(a) for a in inputs(folder, batch))
    torch.onnx.export(net, example, path, dynamo=False, input_names=["pictures", "sounds"], output_names=["map", "vector"])
    return path


def prepare_onnxruntime_int8(folder, onnx_path, batch):
    from onnxruntime import quantization as q
    feeds = iter([dict(zip(("pictures", "sounds"), arrays)) for arrays in calibration(folder, batch)])

    class Reader(q.CalibrationDataReader):
        def get_next(self):
            return next(feeds, None)

    q.quantize_static(onnx_path, onnx_path.replace(".onnx", ".qdq.onnx"), Reader(), quant_format=q.QuantFormat.QDQ, per_channel=True,
                      activation_type=q.QuantType.QUInt8, weight_type=q.QuantType.QInt8)


def prepare_openvino(folder, net, batch):
    import openvino
    import torch
    example = tuple(torch.from_numpy(a) for a in inputs(folder, batch))
    model = openvino.convert_model(net, example_input=example, input=[list(s) for s in shapes(batch)])
    path = os.path.join(folder, "pair%d.xml" % batch)
    openvino.save_model(model, path, compress_to_fp16=False)
    import nncf
    quantized = nncf.quantize(model, nncf.Dataset(calibration(folder, batch)), preset=nncf.QuantizationPreset.PERFORMANCE, subset_size=N_CALIBRATION)
    openvino.save_model(quantized, path.replace(".xml", ".int8.xml"), compress_to_fp16=False)


def prepare_ncnn(folder, net):
    import pnnx
    import torch
    example = tuple(torch.from_numpy(a) for a in inputs(folder, 1))
    pnnx.export(net, os.path.join(folder, "pair.pt"), inputs=example, fp16=False)


def prepare(folder):
    """Each step by itself: where one engine's tools fail, the others still run.  Answers what failed and why."""
    import torch
    net, failed = pair(folder), {}
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    flatten(noise(N_CALIBRATION, 100)).tofile(os.path.join(folder, "calibration.f32"))

    def attempt(name, step, *arguments):
        try:
            return step(*arguments)
        except Exception as e:  # a missing package or an unsupported version
            failed[name] = "%s: %s" % (type(e).__name__, str(e)[:200])

    for batch in (1, 16):
        arrays = noise(batch, batch)
        flatten(arrays).tofile(os.path.join(folder, "input%d.f32" % batch))
        with torch.inference_mode():
            flatten(net(*(torch.from_numpy(a) for a in arrays))).tofile(os.path.join(folder, "expected%d.f32" % batch))
        path = attempt("onnx, batch %d" % batch, prepare_onnx, folder, net, batch)
        if path:
            attempt("onnxruntime int8, batch %d" % batch, prepare_onnxruntime_int8, folder, path, batch)
        attempt("openvino, batch %d" % batch, prepare_openvino, folder, net, batch)
    attempt("ncnn", prepare_ncnn, folder, net)
    worker.answer(failed)


# ---- engines: call() and what it returned last ---------------------------------------------------------------------

def run_pytorch(folder, precision, batch, threads):
    import contextlib
    import torch
    torch.set_num_threads(threads)
    net, arrays = pair(folder), [torch.from_numpy(a) for a in inputs(folder, batch)]
    mode = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else contextlib.nullcontext()

    def call():
        with torch.inference_mode(), mode:
            return [t.float().numpy() for t in net(*arrays)]

    return call, "PyTorch", torch.__version__


def run_onnxruntime(folder, precision, batch, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    path = os.path.join(folder, "pair%d%s.onnx" % (batch, ".qdq" if precision == "int8" else ""))
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = dict(zip(("pictures", "sounds"), inputs(folder, batch)))
    return lambda: session.run(None, feed), "ONNX Runtime", onnxruntime.__version__


def run_openvino(folder, precision, batch, threads, path=None):
    import openvino
    core = openvino.Core()
    path = path or os.path.join(folder, "pair%d%s.xml" % (batch, ".int8" if precision == "int8" else ""))
    compiled = core.compile_model(path, "CPU", {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY"})
    request, arrays = compiled.create_infer_request(), list(inputs(folder, batch))

    def call():
        request.infer(arrays)
        return [request.get_output_tensor(i).data for i in range(2)]

    return call, "OpenVINO", openvino.__version__.split("-")[0]


def run_openvino_qdq(folder, precision, batch, threads):
    path = os.path.join(folder, "pair%d.qdq.onnx" % batch)
    call, _, version = run_openvino(folder, precision, batch, threads, path)
    return call, "OpenVINO, ONNX Runtime's QDQ file", version


def run_ncnn(folder, precision, batch, threads):
    import ncnn
    net = ncnn.Net()
    net.opt.num_threads = threads
    if net.load_param(os.path.join(folder, "pair.ncnn.param")) != 0 or net.load_model(os.path.join(folder, "pair.ncnn.bin")) != 0:
        raise SystemExit("ncnn: pair.ncnn.param cannot be read")
    pictures, sounds = inputs(folder, batch)

    def one(i):
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(pictures[i]))
        extractor.input("in1", ncnn.Mat(sounds[i]))
        return [np.array(extractor.extract(name)[1]) for name in ("out0", "out1")]

    def call():  # ncnn has no batches: one after the other
        results = [one(i) for i in range(batch)]
        return [np.stack([r[k] for r in results]) for k in range(2)]

    return call, "ncnn", ncnn.__version__


ENGINES = {"pytorch": run_pytorch, "onnxruntime": run_onnxruntime, "openvino": run_openvino, "openvino-qdq": run_openvino_qdq,
           "ncnn": run_ncnn}


def main():
    if sys.argv[1] == "prepare":
        return prepare(sys.argv[2])
    folder, engine, precision, batch, threads = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    call, name, version = ENGINES[engine](folder, precision, batch, threads)
    found = call()
    worker.serve(call, name=name, version=version, error=error(folder, batch, found))


if __name__ == "__main__":
    main()
