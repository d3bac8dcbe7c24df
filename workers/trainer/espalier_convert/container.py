"""What a torch file is made of, read without opening any pickle: a zip of known members, or (before PyTorch 1.6) pickles in a row.

Readers disagree about odd archives, and a scanner may skip what torch goes on to read: whatever torch.save does not write is refused.
"""

import io
import pickletools
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .failure import unsafe

# A state dict's pickle holds names and shapes; the weights are beside it. Real ones have a few hundred KB.
MAX_PICKLE_BYTES = 64 * 1024 * 1024
MAX_MEMBERS = 20_000
# Magic number, protocol, system, object, storage keys (torch/serialization.py, _legacy_save).
LEGACY_STREAMS = 5
MEMBER = re.compile(r"([^/\\\x00-\x1f]{1,200})/(data\.pkl|version|byteorder|\.format_version|\.storage_alignment|\.data/serialization_id|data/\d{1,20})")
END_OF_ARCHIVE, END_BYTES = b"PK\x05\x06", 22
# Before each member's bytes, without its name.
HEADER_BYTES = 30
TAR, TAR_AT = b"ustar", 257
ENCRYPTED = 0x1 | 0x40
BLOCK = 1 << 20


@dataclass(frozen=True)
class Container:
    form: str  # "zip" or "legacy"
    """Every pickle of the file: its name and its bytes, from first to last opcode."""
    streams: tuple[tuple[str, bytes], ...]


def read_container(path: Path) -> Container:
    """Throws UnsafeModel for whatever torch.save does not write as a file of weights."""
    with path.open("rb") as file:
        start = file.read(TAR_AT + len(TAR))
    if start[TAR_AT:] == TAR:
        raise unsafe(f"{path.name} is a tar archive, as the first versions of torch.save wrote: that form is not read")
    if start[:4] == b"PK\x03\x04":
        return _read_zip(path)
    if start[:1] == b"\x80":
        return _read_legacy(path)
    raise unsafe(f"{path.name} begins neither like a zip archive nor like a pickle: torch.save did not write it")


def _read_zip(path: Path) -> Container:
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            members = _known_members(archive, path)
            pickle = b""
            for name, member in members.items():
                content = _read_whole(archive, member, keep=name == "data.pkl")
                if name == "data.pkl":
                    pickle = content
                if name == "byteorder" and _read_whole(archive, member, keep=True) != b"little":
                    raise unsafe(f"{path.name} was not written on a little-endian machine")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise unsafe(f"{path.name} is not a sound zip archive: {str(error)[:200]}") from error
    name = members["data.pkl"].filename
    if _end_of_pickle(pickle, 0, name) != len(pickle):
        raise unsafe(f"{name} of {path.name} goes on after its pickle has ended")
    return Container("zip", ((name, pickle),))


def _known_members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """By their names below the one top folder."""
    members: dict[str, zipfile.ZipInfo] = {}
    tops = set()
    for name, info in stored_members(archive, path):
        known = MEMBER.fullmatch(name)
        if known is None or known[1] in (".", ".."):
            raise unsafe(f"member {name!r} of {path.name} is none that a file of weights has")
        if known[2] in members:
            raise unsafe(f"member {name!r} of {path.name} is there twice")
        tops.add(known[1])
        members[known[2]] = info
    if "data.pkl" not in members or len(tops) != 1:
        raise unsafe(f"{path.name} has no data.pkl in its one folder: torch.save did not write it")
    if members["data.pkl"].file_size > MAX_PICKLE_BYTES:
        raise unsafe(f"data.pkl of {path.name} has {members['data.pkl'].file_size} bytes, more than {MAX_PICKLE_BYTES}")
    return members


def stored_members(archive: zipfile.ZipFile, path: Path) -> list[tuple[str, zipfile.ZipInfo]]:
    """By the names that stand in it. Throws UnsafeModel unless the archive is the file from end to end, its members apart and stored
    as they are: what is not compressed is no bomb."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - END_BYTES))
        end = file.read()
    infos = archive.infolist()
    if not end.startswith(END_OF_ARCHIVE) or archive.comment or not infos or min(info.header_offset for info in infos) != 0:
        raise unsafe(f"{path.name} has bytes before or after its zip archive")
    if len(infos) > MAX_MEMBERS:
        raise unsafe(f"{path.name} has {len(infos)} members, more than {MAX_MEMBERS}")
    for info in infos:
        if info.flag_bits & ENCRYPTED:
            raise unsafe(f"member {info.orig_filename!r} of {path.name} is encrypted")
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise unsafe(f"member {info.orig_filename!r} of {path.name} is compressed")
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise unsafe(f"the members of {path.name} overlap")
        end = info.header_offset + HEADER_BYTES + len(info.orig_filename) + info.file_size
        if end > size:
            raise unsafe(f"member {info.orig_filename!r} of {path.name} ends behind the file")
    return [(info.orig_filename, info) for info in infos]


def _read_whole(archive: zipfile.ZipFile, member: zipfile.ZipInfo, keep: bool) -> bytes:
    """To its end, where zipfile compares the CRC: torch itself reads on past a wrong one."""
    kept = io.BytesIO()
    with archive.open(member) as source:
        while block := source.read(BLOCK):
            if keep:
                kept.write(block)
    return kept.getvalue()


def _read_legacy(path: Path) -> Container:
    with path.open("rb") as file:
        head = file.read(MAX_PICKLE_BYTES)
    streams, position = [], 0
    for number in range(LEGACY_STREAMS):
        name = f"{path.name} (pickle {number + 1})"
        end = _end_of_pickle(head, position, name)
        streams.append((name, head[position:end]))
        position = end
    return Container("legacy", tuple(streams))


def _end_of_pickle(data: bytes, start: int, name: str) -> int:
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        for _ in pickletools.genops(stream):
            pass
    except Exception as error:  # pickletools throws whatever its decoders throw
        raise unsafe(f"{name} is no whole pickle: {str(error)[:200]}") from error
    return stream.tell()
