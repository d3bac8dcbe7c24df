"""The weights of a file that the scanner called clean: torch's restricted reader opens it, and only plain tensors go out."""

import sys
from pathlib import Path

from .failure import ConvertError, unsafe
from .weight_map import read_weight_map, require_same

INDEX = "pytorch_model.bin.index.json"
ALL_PARTS = f"put all files of one save_pretrained into the folder: {INDEX} and every pytorch_model-…-of-….bin that it names"
MAX_NAME_LENGTH = 500
# Tied weights share a storage, and safetensors has each tensor's bytes of its own: twice is ample for that.
MAX_GROWTH, SLACK_BYTES = 2, 1 << 20
SHOWN_NAMES = 5


def convert(sources: dict[Path, set[str] | None], target: Path) -> str:
    """Writes the safetensors file, the same bytes for the same tensors; gives torch's version. `sources`: the file or its parts, each
    with the names that its index gives it. Throws UnsafeModel or BadModel."""
    import torch  # after the scanner has spoken
    from safetensors.torch import save_file

    tensors: dict = {}
    for source, named in sources.items():
        found = _plain_tensors(_loaded(source), source)
        if named is not None:
            require_same(named, set(found), INDEX, f"in {source.name}", ALL_PARTS)
        tensors |= found
    if any(tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes() for tensor in tensors.values()):
        raise _shared("repeat one stored value many times", [name for name, tensor in tensors.items() if 0 in tensor.stride()])
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if total > MAX_GROWTH * sum(source.stat().st_size for source in sources) + SLACK_BYTES:
        raise _shared("share storages so often that the file would grow more than twofold", _sharing(tensors))
    save_file({name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}, target, {"format": "pt"})
    return torch.__version__


def sources_of(source: Path, parts: list[Path]) -> dict[Path, set[str] | None]:
    """The file itself, or the parts with their names where it is an index. Throws BadModel when they are not those of the index."""
    if source.name != INDEX:
        return {source: None}
    named = read_weight_map(source, ALL_PARTS)
    require_same(set(named.values()), {part.name for part in parts}, source.name, "beside it", ALL_PARTS)
    return {part: {name for name, file in named.items() if file == part.name} for part in parts}


def _loaded(source: Path) -> object:
    import torch

    try:
        return torch.load(source, map_location="cpu", weights_only=True)
    except (MemoryError, OSError):
        raise
    except Exception as error:  # UnpicklingError for what is forbidden, anything else for what is broken
        # For the log alone: torch's own text advises to load without the restriction.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        raise unsafe(f"torch.load, restricted to weights, refuses {source.name} ({type(error).__name__})") from error


def _plain_tensors(loaded: object, source: Path) -> dict:
    import torch

    if not isinstance(loaded, dict):
        raise ConvertError("BadModel", f"{source.name} holds a {type(loaded).__name__}, not names and their tensors", SAVE_STATE)
    if not loaded:
        raise ConvertError("BadModel", f"{source.name} holds no tensor", SAVE_STATE)
    for name, value in loaded.items():
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name == "__metadata__":
            raise ConvertError("BadModel", f"{source.name} has the key {str(name)[:80]!r}, which is no tensor's name", SAVE_STATE)
        if type(value) is not torch.Tensor:
            raise ConvertError("BadModel", f"{name} of {source.name} is a {type(value).__name__}, not a tensor", SAVE_STATE)
        if value.layout != torch.strided or value.is_quantized or value.device.type != "cpu":
            raise ConvertError("BadModel", f"{name} of {source.name} is not a dense tensor", SAVE_STATE)
    return loaded


SAVE_STATE = "save the weights alone: torch.save(model.state_dict(), 'pytorch_model.bin')"


def _sharing(tensors: dict) -> list[str]:
    first: dict[int, str] = {}
    return [name for name, tensor in tensors.items() if first.setdefault(tensor.untyped_storage().data_ptr(), name) != name]


def _shared(what: str, names: list[str]) -> ConvertError:
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return unsafe(f"tensors that {what}: {', '.join(names[:SHOWN_NAMES])}{more}")
