"""The recurrence on CUDA by Triton: one fused kernel a step, the activations written from their rows.

Only `weight_mapping.torch.kernel.operators` imports this, where a tensor on a GPU asks for it: Triton comes with
PyTorch's builds for CUDA alone.
"""
