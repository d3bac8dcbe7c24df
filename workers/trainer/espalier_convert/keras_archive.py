"""A .keras archive: Keras 3's zip of metadata.json, config.json (classes to be built, never read here) and model.weights.h5."""

import zipfile
from pathlib import Path

from .container import BLOCK, stored_members
from .failure import ConvertError, unsafe

SUFFIX, WEIGHTS = ".keras", "model.weights.h5"
MEMBERS = {"metadata.json", "config.json", WEIGHTS}


def unpack_weights(archive: Path, folder: Path) -> Path:
    """The weights as a file in the folder. Throws UnsafeModel for what Keras does not write."""
    target = folder / f"{archive.name}{WEIGHTS.removeprefix('model')}"
    try:
        with archive.open("rb") as file, zipfile.ZipFile(file) as opened:
            members = stored_members(opened, archive)
            for name, _ in members:
                if name not in MEMBERS or [other for other, _ in members].count(name) != 1:
                    raise unsafe(f"member {name!r} of {archive.name} is there twice, or none that Keras writes")
            weights = dict(members).get(WEIGHTS)
            if weights is None:
                raise ConvertError("BadModel", f"{archive.name} has no {WEIGHTS}", "take a model with model.safetensors")
            # To its end, where zipfile compares the CRC.
            with opened.open(weights) as source, target.open("xb") as copy:
                while block := source.read(BLOCK):
                    copy.write(block)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise unsafe(f"{archive.name} is not a sound zip archive: {str(error)[:200]}") from error
    return target
