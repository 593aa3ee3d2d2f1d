"""Runs on a stand-in for a GPU: tensors that are said to lie on it, and are in truth on the CPU.

What a GPU would refuse is refused: an operation on tensors that lie apart, and numpy on one that was not brought back. A run
that gets through, with the numbers of the same run on the CPU, has all its tensors where they belong. How fast a GPU is, and
how it rounds, only a GPU can tell.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import TINY
from safetensors.torch import load_model
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from synthgap import catalogue, runs, studies
from synthgap.runs import execution

aten = torch.ops.aten
#: operations whose indices may lie on the CPU
INDEXED = {aten.index.Tensor, aten.index_put_.default, aten._index_put_impl_.default}


class Gpu:
    """Which storages are said to lie there."""

    def __init__(self):
        self.storages: dict[int, StorageWeakRef] = {}  # a weak reference keeps the address from being used again

    def has(self, x: torch.Tensor) -> bool:
        return x.layout is torch.strided and x.untyped_storage()._cdata in self.storages

    def put(self, x: torch.Tensor) -> torch.Tensor:
        storage = x.untyped_storage()
        self.storages[storage._cdata] = StorageWeakRef(storage)
        return x

    def copied(self, x: torch.Tensor, there: bool) -> torch.Tensor:
        copy = x.clone()
        self.storages.pop(copy.untyped_storage()._cdata, None)
        return self.put(copy) if there else copy


class Computed(TorchDispatchMode):
    """What is computed of tensors there lies there, in backward passes, too."""

    def __init__(self, gpu: Gpu):
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = args if func in INDEXED and self.gpu.has(args[0]) else tree_leaves((args, kwargs))
        given = [x for x in given if isinstance(x, torch.Tensor)]
        there = [self.gpu.has(x) for x in given]
        found = func(*args, **(kwargs or {}))
        if func is aten.copy_.default:  # from anywhere to anywhere
            return found
        if any(there):
            if not all(at or x.ndim == 0 for x, at in zip(given, there, strict=True)):
                raise RuntimeError(f"{func}: tensors of shapes {[(*x.shape,) for x in given]} lie apart: {there}")
            tree_map_only(torch.Tensor, self.gpu.put, found)
        return found


class Asked(TorchFunctionMode):
    """What is asked of device="cuda", and where a tensor lies."""

    def __init__(self, gpu: Gpu):
        super().__init__()
        self.gpu = gpu

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs, first = dict(kwargs or {}), next(iter(args), None)
        if func == torch.Tensor.device.__get__:
            return torch.device("cuda" if self.gpu.has(first) else "cpu")
        if func in (torch.Tensor.numpy, torch.Tensor.__array__) and self.gpu.has(first):
            raise TypeError("can't convert cuda device type tensor to numpy")
        if func is torch.Tensor.cpu:
            return self.gpu.copied(first, False)
        if func is torch.Tensor.to and isinstance(args[-1], torch.Tensor) and args[1:]:
            return self.gpu.copied(func(*args, **kwargs), self.gpu.has(args[-1]))
        named = [x for x in (*args, *kwargs.values()) if _is_device(x)]
        if not named or func is torch._C._nn._parse_to:  # which only reads what it is given
            return func(*args, **kwargs)
        there = torch.device(named[0]).type == "cuda"
        if there and "generator" in kwargs:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        args = ["cpu" if _is_device(x) else x for x in args]
        kwargs = {name: "cpu" if _is_device(x) else x for name, x in kwargs.items()}
        found = func(*args, **kwargs)
        if func in (torch.Tensor.to, torch.as_tensor):  # which may give what they are given
            return self.gpu.copied(found, there)
        return self.gpu.put(found) if there else found


def _is_device(x) -> bool:
    return isinstance(x, torch.device) or (isinstance(x, str) and x.partition(":")[0] in ("cpu", "cuda"))


@contextmanager
def said_to_be_there() -> Iterator[Gpu]:
    gpu = Gpu()
    with Computed(gpu), Asked(gpu):
        yield gpu


def test_what_a_gpu_refuses_is_refused():
    with said_to_be_there() as gpu:
        x = torch.ones(3, device="cuda", requires_grad=True)
        y = torch.from_numpy(np.ones(3)).to("cuda")
        assert x.device.type == y.device.type == (x * y).device.type == "cuda"
        (x * y).sum().backward()
        assert gpu.has(x.grad)
        assert (x * 2 + torch.tensor(1.0)).device.type == "cuda"  # a number may come from the CPU
        assert y[torch.tensor([0, 2])].device.type == "cuda"  # and so may indices
        apart = [lambda: y + torch.ones(3), lambda: torch.ones(3)[y.long()], lambda: torch.ones(3) @ y.float()]
        for wrong in [*apart, lambda: y.index_put((torch.tensor([0, 1]),), torch.ones(2).double())]:
            with pytest.raises(RuntimeError, match="lie apart"):
                wrong()
        with pytest.raises(TypeError, match="numpy"):
            y.numpy()
        with pytest.raises(RuntimeError, match="generator"):
            torch.randn(3, device="cuda", generator=torch.Generator())
        assert y.cpu().numpy().tolist() == [1, 1, 1]
        assert (y.cpu() + torch.ones(3)).device.type == "cpu"


LOSSES, DONE, ENCODERS = (catalogue.methods(kind) for kind in ("loss", "posthoc", "encoder"))
CASES = {f"loss={name}" for name in LOSSES} | {f"posthoc={name}" for name in DONE}
CASES |= {f"images=pixels encoder.image={name}" for name, method in ENCODERS.items() if "pixels" in method.reads}
CASES |= {
    "encoder.text=transformer",
    "encoder.start=procrustes encoder.apart=1",
    "encoder.rank=8 encoder.angle=60 temperature.scale=softplus",
    "finetune=attributes keep=course",
    "encoder.share=trunk encoder.image=conv-mlp images=pixels shift=noise",
    "images=free space.hidden=[swelling,fracture]",
}


@pytest.mark.parametrize("overrides", sorted(CASES))
def test_a_run_gives_the_same_numbers(tmp_path, overrides, monkeypatch):
    # safetensors reads a model without Python, so it is read here and copied there
    monkeypatch.setattr(execution, "load_model", lambda model, path, device: load_model(model, path))
    for here, there in zip(*(measured(tmp_path, on, overrides.split()) for on in ("cpu", "cuda")), strict=True):
        # linear algebra rounds by where a matrix happens to lie in memory, most in the angle of two equal directions
        pd.testing.assert_frame_equal(here, there, rtol=1e-9, atol=1e-5)


def measured(folder: Path, device: str, overrides: list[str]) -> list[pd.DataFrame]:
    """All that is measured of a tiny run, and the course of its training."""
    tiny = TINY if "images=free" not in overrides else ("mad.test_images=200",)
    asked = [*tiny, "seed=0", "captions.attributes=2", f"training.device={device}", f"out={folder / device}"]
    plan = runs.plan(studies.load("imbalance"), [*asked, *overrides])
    with said_to_be_there() if device == "cuda" else nullcontext():
        runs.work(plan)
    (task,) = plan.tasks
    assert not plan.failure(task).exists(), plan.failure(task).read_text()
    tables = [pd.read_parquet(path) for path in sorted((plan.folder / task.run_id).glob("*.parquet"))]
    return [table[table.metric != "seconds"] if "metric" in table else table for table in tables]
