# SPDX-License-Identifier: Apache-2.0
"""What torch is at when a call comes: what may be looked at, whether its dispatcher has anything to do."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Not for programs, says torch, so that one without them is asked for nothing.
_included: Any = getattr(torch._C, "_dispatch_tls_local_include_set", None)
_profiled: Any = getattr(torch.autograd, "_profiler_enabled", None)


def _usual_keys() -> Any:
    if _included is None or _profiled is None:
        return None
    try:
        keys, key = torch._C.DispatchKeySet, torch._C.DispatchKey
        return keys(key.BackendSelect) | keys(key.ADInplaceOrView)
    except AttributeError:  # another torch's: no reason for lrd_ext not to load
        return None


_USUAL_KEYS = _usual_keys()


def may_look(values: Tensor) -> bool:
    """Tell whether values may be looked at without waiting for a device or breaking a graph."""
    return values.is_cpu and not torch.compiler.is_compiling()


def may_wait_for(values: Tensor) -> bool:
    """Tell whether values on a device may be asked for: not while a graph is traced or captured."""
    if torch.compiler.is_compiling():
        return False
    return not values.is_cuda or not torch.cuda.is_current_stream_capturing()


def is_plain(tensor: Tensor) -> bool:
    """Tell whether an op on a tensor on the CPU would come to its kernel with nothing done on the way.

    No graph is traced, no mode is on (fake tensors, torch.vmap, torch.func, torch.jit.trace, inference), no
    profiler listens, and the tensor is none of a class of its own.
    """
    return (
        not torch.compiler.is_compiling()
        and type(tensor) is Tensor
        and tensor.is_cpu
        and not tensor.is_neg()
        and _USUAL_KEYS is not None
        and _included() == _USUAL_KEYS
        and not _profiled()
    )
