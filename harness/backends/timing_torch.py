"""PyTorch under the stopwatch: the bare nn.LSTM, and what a port builds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

import weight_mapping.torch as wt
from harness.bench.jobs import FORWARD, Answer, Job, Prepared
from weight_mapping.packing import pack, unpack
from weight_mapping.spec import Path
from weight_mapping.torch import kernel as compiled
from weight_mapping.weights import CellWeights

Forward = Callable[[Tensor], Tensor]


def missing(_form: str, device: str) -> str | None:
    """Why it can't be measured on `device` ('cpu' or 'cuda'), or None."""
    if device == "cpu" or torch.cuda.is_available():
        return None
    return f"PyTorch {torch.__version__} sees no CUDA device"


@contextmanager
def full_precision() -> Iterator[None]:
    """Matrix products in float32 proper: TF32 off, as it was afterwards."""
    products, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, cudnn.allow_tf32
    try:
        products.allow_tf32 = cudnn.allow_tf32 = False
        yield
    finally:
        products.allow_tf32, cudnn.allow_tf32 = before


def kernel() -> dict[str, dict[str, Any]]:
    """By device: whether the compiled cells run there, and why or why not."""
    return {device: asdict(compiled.standing(device)) for device in compiled.DEVICES}


@contextmanager
def _steps_alone() -> Iterator[None]:
    """The plain steps in the place of the compiled cells."""
    before = os.environ.get(compiled.SWITCH)
    os.environ[compiled.SWITCH] = "off"
    try:
        yield
    finally:
        os.environ.pop(compiled.SWITCH) if before is None else os.environ.update({compiled.SWITCH: before})


def prepare(job: Job, *, form: str) -> Prepared:
    """`form`: 'bare' (PyTorch's own module alone), 'port' (what a port builds), 'keras' (the module with Keras'
    semantics), or 'steps', which is that without the compiled cells. Raises Unrepresentable for a bare GRU that resets
    before the product."""
    module, forward = _bare(job) if form == "bare" else _ported(job, form)
    module.to(job.group.device)
    x = torch.from_numpy(job.x).to(job.group.device)
    if job.task == FORWARD:
        module.eval()

        def run() -> Tensor:
            with torch.inference_mode():
                return _done(forward(x))

        return Prepared(run=run, answer=lambda: {"outputs": run().cpu().numpy()})

    def step() -> Tensor:
        module.zero_grad(set_to_none=True)
        loss = forward(x).square().mean()
        loss.backward()  # type: ignore[no-untyped-call]
        return _done(loss)

    def answer() -> Answer:
        step()
        return job.gradients(_gradients(module, job) if form == "bare" else wt.gradients(module))

    return Prepared(run=step, answer=answer)


def _bare(job: Job) -> tuple[nn.Module, Forward]:
    _, _, inputs, units = job.group.shape
    made: nn.Module = _MODULES[job.cell.kind](inputs, units, num_layers=job.group.layers, batch_first=True)
    # Both biases train, as they do for whoever writes nn.LSTM; the second one starts at zero.
    made.load_state_dict({
        f"{name}_l{n}": torch.from_numpy(array)
        for n, own in enumerate(job.weights.values())
        for name, array in pack("torch", own).items()
    })  # fmt: skip
    return made, lambda x: made(x)[0]


_MODULES = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def _ported(job: Job, form: str) -> tuple[nn.Module, Forward]:
    module = wt.build_layer(job.layer, job.weights, dtype=torch.float32, prefer_native=form == "port")

    def forward(x: Tensor) -> Tensor:
        with _steps_alone() if form == "steps" else nullcontext():
            return module(x)[0]

    return module, forward


def _gradients(module: nn.Module, job: Job) -> dict[Path, CellWeights]:
    found = {name: p.grad.cpu().numpy() for name, p in module.named_parameters() if p.grad is not None}
    return {
        (str(n),): unpack("torch", job.cell.kind, {
            name.removesuffix(f"_l{n}"): array for name, array in found.items() if name.endswith(f"_l{n}")
        })
        for n in range(job.group.layers)
    }  # fmt: skip


def _done(value: Tensor) -> Tensor:
    if value.is_cuda:
        torch.cuda.synchronize()
    return value
