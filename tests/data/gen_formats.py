"""Files written by NumPy and safetensors that the C readers must read (tests/unit/test_npz.c, test_safetensors.c,
test_captions.c).  Run in tests/data with numpy, torch and safetensors installed; the outputs are committed."""
import numpy as np
import torch
from safetensors.torch import save_file

ids = np.array(["clip-1", "Zürich_日本_😀", "c"])
arrays = dict(
    f4=np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
    f8=np.array(2.5),
    i4=np.array([-1, 2**31 - 1], np.int32),
    i8=np.array([[-(2**63)], [2**40]]),
    u1=np.arange(5, dtype=np.uint8),
    b1=np.array([True, False]),
    f2=np.array([1.5, -65504], np.float16),
    empty=np.zeros((0, 4), np.float32),
    ids=ids,
    raw=np.array([b"ab", b"c"]),
)
np.savez("formats/numpy_stored.npz", **arrays)
np.savez_compressed("formats/numpy_deflated.npz", **arrays)
np.save("formats/fortran.npy", np.asfortranarray(np.ones((2, 3), np.float32)))
np.save("formats/big_endian.npy", np.ones(2, ">f4"))

np.savez_compressed(
    "formats/captions_numpy.npz",
    ids=np.array(["a", "b", "ç"]),
    offsets=np.array([0, 1, 3, 4]),
    foreground=np.arange(16, dtype=np.float64).reshape(4, 4) + 1,
    background=np.array([[1, 2, 3, 4], [0, 0, 0, 0], [3, 2, 1, 0]], np.float32),
    encoder=np.array("numpy"),
    encoder_hash=np.array(["beef"]),
)

save_file(
    {
        "module.conv.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3) / 4,
        "module.half": torch.tensor([1.5, -2.0, 65504.0], dtype=torch.float16),
        "module.brain": torch.tensor([1.5, -2.0, 3.0e38], dtype=torch.bfloat16),
        "module.double": torch.tensor(0.1, dtype=torch.float64),
        "module.bn.num_batches_tracked": torch.tensor(7),
        "module.mask": torch.tensor([True, False, True]),
        "module.none": torch.zeros(0, 3),
    },
    "formats/python.safetensors",
    metadata={"format": "pt", "note": "Grüße"},
)
