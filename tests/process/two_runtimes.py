"""PyTorch and liboassl in one process.  PyTorch brings an OpenMP runtime along, liboassl's plug-in wants the system's.  Both
compute alone, then in turns, then at the same time in two threads; results must be those computed alone.

Wheels whose runtime has a name of its own (libiomp5, libgomp-<hash>) give a process with two; where both are called
libgomp.so.1 the one that was loaded first serves both, so the order is an argument.  What was mapped is printed.

usage: two_runtimes.py LIBOASSL BACKENDS torch-first|ours-first      exit code 77: skipped, because this Python has no torch
"""
import ctypes as c
import importlib.util
import sys
import threading

missing = [name for name in ("torch", "numpy") if not importlib.util.find_spec(name)]
if missing:
    print(f"SKIPPED: {sys.executable} has no {' and no '.join(missing)}; name a Python that has them in OASSL_PYTHON")
    sys.exit(77)
import numpy

if "torch-first" in sys.argv:
    import torch

ROUNDS, WIDTH, HEIGHT, FRAMES = 8, 160, 120, 24000


class ContextOptions(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("n_threads", c.c_uint32), ("backend", c.c_char_p), ("backend_path", c.c_char_p),
                ("allow_fallback", c.c_int32), ("log_level", c.c_int32), ("alloc", c.c_void_p), ("free", c.c_void_p),
                ("memory_user", c.c_void_p), ("log", c.c_void_p), ("log_user", c.c_void_p), ("progress", c.c_void_p),
                ("progress_user", c.c_void_p)]


class ModelOptions(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("kind", c.c_int32), ("base_width", c.c_uint32), ("visual_stride", c.c_uint32),
                ("audio_stride", c.c_uint32), ("text_dim", c.c_int32), ("n_classes", c.c_uint32), ("reserved", c.c_uint32),
                ("seed", c.c_uint64)]


class Image(c.Structure):
    _fields_ = [("rgb", c.c_void_p), ("width", c.c_int32), ("height", c.c_int32), ("row_bytes", c.c_int64)]


class Audio(c.Structure):
    _fields_ = [("samples", c.c_void_p), ("frames", c.c_int64), ("channels", c.c_int32), ("rate", c.c_uint32),
                ("format", c.c_int32), ("source_bits", c.c_int32)]


class Source(c.Structure):
    _fields_ = [("map", c.POINTER(c.c_float)), ("grid", c.POINTER(c.c_float))]


class Localization(c.Structure):
    _fields_ = [("struct_size", c.c_uint32), ("n_sources", c.c_uint32), ("width", c.c_uint32), ("height", c.c_uint32),
                ("grid_width", c.c_uint32), ("grid_height", c.c_uint32), ("confidence", c.c_float), ("calibrated", c.c_int32),
                ("sources", c.POINTER(Source))]


class Ours:
    """A localizer on random weights, two threads."""

    def __init__(self, library, backends):
        self.lib = c.CDLL(library)
        self.lib.oassl_last_error.restype = c.c_char_p
        self.context, self.model, self.localizer = c.c_void_p(), c.c_void_p(), c.c_void_p()
        options = ContextOptions(struct_size=c.sizeof(ContextOptions), n_threads=2, backend=b"onednn", backend_path=backends.encode())
        model = ModelOptions(struct_size=c.sizeof(ModelOptions), base_width=16, text_dim=-1, seed=3)
        self.must(self.lib.oassl_context_create(c.byref(options), c.byref(self.context)))
        self.must(self.lib.oassl_model_create(self.context, c.byref(model), c.byref(self.model)))
        self.must(self.lib.oassl_localizer_create(self.model, None, c.byref(self.localizer)))
        random = numpy.random.default_rng(1)
        self.rgb = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=numpy.uint8)
        self.samples = random.uniform(-0.5, 0.5, FRAMES).astype(numpy.float32)

    def must(self, status):
        if status != 0:
            raise RuntimeError(self.lib.oassl_last_error().decode())

    def compute(self):
        image = Image(self.rgb.ctypes.data, WIDTH, HEIGHT, 0)
        audio = Audio(self.samples.ctypes.data, FRAMES, 1, 16000, 0, 0)
        found = c.POINTER(Localization)()
        self.must(self.lib.oassl_localizer_run(self.localizer, c.byref(image), c.byref(audio), c.byref(found)))
        return numpy.ctypeslib.as_array(found.contents.sources[0].map, (HEIGHT, WIDTH)).copy()

    def close(self):
        self.lib.oassl_localizer_destroy(self.localizer)
        self.lib.oassl_model_destroy(self.model)
        self.lib.oassl_context_destroy(self.context)


class Theirs:
    """A small network of PyTorch's, forward and backward, two threads."""

    def __init__(self):
        torch.manual_seed(1)
        torch.set_num_threads(2)
        conv = torch.nn.Conv2d
        self.net = torch.nn.Sequential(conv(3, 32, 3, padding=1), torch.nn.ReLU(), conv(32, 64, 3, stride=2, padding=1),
                                       torch.nn.BatchNorm2d(64), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.LazyLinear(64))
        self.x = torch.randn(8, 3, 48, 48)
        self.net(self.x)

    def compute(self):
        self.net.zero_grad()
        y = torch.tanh(self.net(self.x))
        (y * y).sum().backward()
        return torch.cat([y.detach().flatten()] + [p.grad.flatten() for p in self.net.parameters()]).numpy().copy()


def runtimes():
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "/" in line}
    return sorted(name for name in files if any(word in name for word in ("libgomp", "libiomp", "libomp")))


def difference(a, b):
    return float(numpy.abs(a - b).max() / numpy.abs(b).max())


def main(library, backends, order):
    global torch
    ours = Ours(library, backends)
    our_result = ours.compute()  # before torch has computed anything
    import torch

    theirs = Theirs()
    their_result = theirs.compute()
    worst = {"ours": 0.0, "theirs": 0.0}

    def check(name, thing, expected, rounds):
        for _ in range(rounds):
            worst[name] = max(worst[name], difference(thing.compute(), expected))

    for _ in range(ROUNDS):  # in turns
        check("ours", ours, our_result, 1)
        check("theirs", theirs, their_result, 1)
    print(f"{order}, in turns: ours differs by {worst['ours']:.3g}, PyTorch's by {worst['theirs']:.3g}")

    failures = []

    def guarded(*arguments):
        try:
            check(*arguments)
        except Exception as error:  # a thread's exception must fail the test
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=("ours", ours, our_result, 3 * ROUNDS)),
               threading.Thread(target=guarded, args=("theirs", theirs, their_result, 3 * ROUNDS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"at the same time: ours differs by {worst['ours']:.3g}, PyTorch's by {worst['theirs']:.3g}")
    print(f"threads of PyTorch afterwards: {torch.get_num_threads()}; torch {torch.__version__}; OpenMP runtimes mapped:", *runtimes())
    ours.close()
    # ours has the same bits; PyTorch's sums may be divided otherwise between its threads
    fine = not failures and worst["ours"] == 0 and worst["theirs"] < 1e-5 and torch.get_num_threads() == 2 and runtimes()
    for error in failures:
        print("FAILED:", error)
    sys.exit(0 if fine else 1)


main(*sys.argv[1:])
