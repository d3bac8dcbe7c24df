"""A checkpoint: a folder written as `.tmp`, synced, sealed by a manifest of every file's sha256, then renamed.

    trainable.safetensors   the parameters that train and running statistics (a frozen base is never saved again)
    optimizer.safetensors   AdamW's tensors, named `<state>/<parameter>`
    best.safetensors        the best epoch's, once an epoch was evaluated
    state.json              step, history, float16's loss scale, what makes the run inexact
    manifest.json           {version, step, epoch, identity, files: {name: {sha256, bytes}}}

`identity` is what the trajectory depends on; a resume under another identity is refused, naming the difference.
There is no random state in it: every random choice is a function of (seed, epoch, row, step).
"""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .events import INCOMPATIBLE, TrainerError
from .job import sha256_file

VERSION = 2


def write_checkpoint(parent: Path, step: int, epoch: int, identity: dict, tensors: dict[str, dict], state: dict) -> tuple[Path, dict]:
    """`tensors` = {file stem: {name: tensor}}. Returns the folder and its manifest."""
    final = parent / f"step-{step:08d}"
    temporary = parent / f"{final.name}.tmp"
    for left_over in parent.glob("*.tmp"):  # of a process that was killed while it wrote
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        manifest = fill(temporary, step, epoch, identity, tensors, state)
        replaced = parent / f"{final.name}.replaced.tmp"
        if final.exists():
            final.rename(replaced)
        temporary.rename(final)
        sync(parent)
        shutil.rmtree(replaced, ignore_errors=True)
    except Exception:
        shutil.rmtree(temporary, ignore_errors=True)  # on a full disk the half of it is in the way of all else
        raise
    return final, manifest


def fill(folder: Path, step: int, epoch: int, identity: dict, tensors: dict[str, dict], state: dict) -> dict:
    for stem, named in tensors.items():
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}, folder / f"{stem}.safetensors")
    write_json(folder / "state.json", state)
    files = {path.name: {"sha256": sha256_file(path), "bytes": path.stat().st_size} for path in sorted(folder.iterdir())}
    manifest = {"version": VERSION, "step": step, "epoch": epoch, "identity": identity, "files": files}
    for name in files:
        sync(folder / name)
    write_json(folder / "manifest.json", manifest)
    sync(folder / "manifest.json")
    sync(folder)
    return manifest


def read_checkpoint(folder: Path, identity: dict) -> tuple[dict, dict[str, dict[str, torch.Tensor]]]:
    """State and tensors by file stem, verified. Raises TrainerError 66 naming the damage or the difference."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        version, found, files = manifest["version"], manifest["identity"], manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refused(folder, f"its manifest.json cannot be read ({error})") from error
    if version != VERSION:
        raise refused(folder, f"it has format version {version}, this trainer writes {VERSION}")
    if differences := differences_of(identity, found):
        raise refused(folder, "it belongs to another training: " + "; ".join(differences))
    for name, expected in files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise refused(folder, f"{name} is missing")
        if path.stat().st_size != expected["bytes"] or sha256_file(path) != expected["sha256"]:
            raise refused(folder, f"{name} is damaged: its bytes do not have the sha256 of the manifest")
    if missing := {"state.json", "trainable.safetensors", "optimizer.safetensors"} - set(files):
        raise refused(folder, f"its manifest does not list {sorted(missing)}")
    tensors = {Path(name).stem: load_file(folder / name) for name in files if name.endswith(".safetensors")}
    return json.loads((folder / "state.json").read_text(encoding="utf-8")), tensors


def differences_of(wanted: dict, found: dict, path: str = "") -> list[str]:
    """`a.b is 1 here and 2 in the checkpoint`, for every leaf that differs."""
    result = []
    for key in sorted({*wanted, *found}):
        here, there = wanted.get(key), found.get(key)
        if isinstance(here, dict) and isinstance(there, dict):
            result += differences_of(here, there, f"{path}{key}.")
        elif here != there:
            result.append(f"{path}{key} is {json.dumps(here)} here and {json.dumps(there)} in the checkpoint")
    return result


def refused(folder: Path, reason: str) -> TrainerError:
    fix = "resume from an older checkpoint, restore what differs, or train from the beginning"
    return TrainerError(INCOMPATIBLE, f"cannot resume from {folder.name}: {reason}", fix)


def optimizer_tensors(optimizer: torch.optim.Optimizer, names: dict[torch.Tensor, str]) -> dict[str, torch.Tensor]:
    """AdamW's state as named tensors: no pickle, and it fits only parameters of the same names."""
    return {f"{key}/{names[parameter]}": value for parameter, state in optimizer.state.items() for key, value in state.items()}


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, torch.Tensor], names: dict[torch.Tensor, str]) -> None:
    parameters = {name: parameter for parameter, name in names.items()}
    for key, tensor in saved.items():
        state, _, name = key.partition("/")
        parameter = parameters[name]
        # A fused AdamW keeps all of it beside the parameter.
        optimizer.state[parameter][state] = tensor.to(parameter.device)


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
