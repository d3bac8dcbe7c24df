"""A torch file of before PyTorch 1.6 (pickles in a row, then the storages), read by our own rules before torch reads it.

The scanner calls no file of that form clean. What stands in its place is narrower than a scan: the pickles may hold only what a state
dict is made of, and nothing in them is looked up or called here. The opcodes are evaluated on plain values; a name of a class is a word
that must be in a table. Then every byte of the file must be accounted for: no storage may be missing, for torch would leave its memory
as it found it, and nothing may follow the last.
"""

import pickletools
import struct
from dataclasses import dataclass
from pathlib import Path

from .container import Container
from .failure import unsafe

# torch/serialization.py, _legacy_save.
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# Bytes a number of each storage, by the names that _legacy_save writes.
STORAGES = {
    "DoubleStorage": 8, "FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8, "IntStorage": 4,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1,
}  # fmt: skip
CALLED = ("collections OrderedDict", "torch._utils _rebuild_tensor_v2")
NAMES = (*CALLED, *(f"torch {name}" for name in STORAGES))
MAX_VALUES = 5_000_000
COUNT_BYTES = 8


@dataclass(frozen=True)
class Named:
    """What a pickle would look up."""

    name: str


@dataclass(frozen=True)
class Storage:
    key: str
    kind: str
    numbers: int


@dataclass
class _Called:
    """What a pickle would make by a call of this name."""

    name: str

    def is_dict(self) -> bool:
        return self.name == CALLED[0]


def require_state_dict(path: Path, container: Container) -> None:
    """Throws UnsafeModel unless the file is a state dict in the old form, to its last byte."""
    magic, protocol, system, content, keys = (_Reader(name, stream) for name, stream in container.streams)
    if magic.value() != MAGIC or protocol.value() != PROTOCOL:
        raise unsafe(f"{path.name} does not begin as torch.save began its files before PyTorch 1.6")
    about = system.value()
    if not isinstance(about, dict) or about.get("little_endian") is not True:
        raise unsafe(f"{path.name} was not written on a little-endian machine")
    content.value(may_name=True)
    listed = keys.value()
    if not isinstance(listed, list) or len(set(map(str, listed))) != len(listed) or set(map(str, listed)) != content.storages.keys():
        raise unsafe(f"{path.name} does not list each storage of its tensors once, and no other")
    at, size = sum(len(stream) for _, stream in container.streams), path.stat().st_size
    with path.open("rb") as file:
        for key in listed:
            storage = content.storages[str(key)]
            file.seek(at)
            counted = struct.unpack("<q", file.read(COUNT_BYTES).ljust(COUNT_BYTES, b"\0"))[0]
            if counted != storage.numbers:
                raise unsafe(f"storage {key!r} of {path.name} has {counted} numbers, its tensors say {storage.numbers}")
            at += COUNT_BYTES + counted * STORAGES[storage.kind]
    if at != size:
        raise unsafe(f"{path.name} has {size} bytes, its storages end at {at}")


class _Reader:
    """The value of a pickle without a call: dicts, lists, tuples, numbers and words are themselves; what would be called stands for itself."""

    def __init__(self, name: str, stream: bytes) -> None:
        self.name, self.stream = name, stream
        self.storages: dict[str, Storage] = {}

    def value(self, may_name: bool = False) -> object:
        self.stack: list = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.stream)):
            plain = PLAIN.get(opcode.name)
            step = plain or (NAMING.get(opcode.name) if may_name else None)
            if step is None or count > MAX_VALUES:
                raise self.refused(f"the opcode {opcode.name}" if step is None else f"more than {MAX_VALUES} values")
            try:
                step(self, argument)
            except (IndexError, KeyError, TypeError, ValueError) as error:
                raise self.refused(f"a {opcode.name} without what it needs") from error
        (value,) = self.stack
        return value

    def refused(self, what: str) -> Exception:
        return unsafe(f"{self.name} has {what}, which no state dict has")

    def pop_mark(self) -> list:
        at = self.marks.pop()
        items = self.stack[at:]
        del self.stack[at:]
        return items

    def take(self, count: int) -> list:
        if len(self.stack) - (self.marks[-1] if self.marks else 0) < count:
            raise IndexError
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def pairs(self, items: list) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if not isinstance(key, str):
                    raise self.refused("a key that is no name")
                target[key] = value
        elif not isinstance(target, _Called) or not target.is_dict():
            raise TypeError

    def name_it(self, argument: str) -> None:
        if argument not in NAMES:
            raise self.refused(f"the name {argument[:80]!r}")
        self.stack.append(Named(argument))

    def call(self, _: object) -> None:
        function, arguments = self.take(2)
        if not isinstance(function, Named) or function.name not in CALLED or not isinstance(arguments, tuple):
            raise self.refused("a call of something else than a tensor or a dict")
        if function.name != CALLED[0]:
            if len(arguments) not in (6, 7) or not isinstance(arguments[0], Storage):
                raise self.refused("a tensor that is not of a storage")
        elif arguments != ():
            raise self.refused("a dict that is made of something")
        self.stack.append(_Called(function.name))

    def build(self, _: object) -> None:
        # What a state dict keeps beside its tensors: the versions of its modules.
        target, state = self.take(2)
        if not isinstance(target, _Called) or not target.is_dict() or not isinstance(state, dict) or set(state) - {"_metadata"}:
            raise self.refused("a state other than that of a dict")
        self.stack.append(target)

    def stored(self, _: object) -> None:
        (given,) = self.take(1)
        kind, named, key, _location, numbers, view = given
        if kind != "storage" or not isinstance(named, Named) or named.name in CALLED or view is not None:
            raise self.refused("something stored that is no storage")
        if not isinstance(key, str) or not isinstance(numbers, int) or isinstance(numbers, bool) or numbers < 0:
            raise self.refused("a storage without a key or a size")
        storage = Storage(key, named.name.removeprefix("torch "), numbers)
        if self.storages.setdefault(key, storage) != storage:
            raise self.refused(f"two storages of the key {key[:40]!r}")
        self.stack.append(storage)


def _push(reader: _Reader, argument: object) -> None:
    reader.stack.append(argument)


def _append(reader: _Reader, items: list) -> None:
    target = reader.stack[-1]
    if not isinstance(target, list):
        raise TypeError
    target.extend(items)


PLAIN = {
    "PROTO": lambda reader, argument: None,
    "STOP": lambda reader, argument: None,
    "MARK": lambda reader, argument: reader.marks.append(len(reader.stack)),
    "EMPTY_DICT": lambda reader, argument: _push(reader, {}),
    "EMPTY_LIST": lambda reader, argument: _push(reader, []),
    "EMPTY_TUPLE": lambda reader, argument: _push(reader, ()),
    "NONE": lambda reader, argument: _push(reader, None),
    "NEWTRUE": lambda reader, argument: _push(reader, True),
    "NEWFALSE": lambda reader, argument: _push(reader, False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"), _push),
    "TUPLE": lambda reader, argument: _push(reader, tuple(reader.pop_mark())),
    "TUPLE1": lambda reader, argument: _push(reader, tuple(reader.take(1))),
    "TUPLE2": lambda reader, argument: _push(reader, tuple(reader.take(2))),
    "TUPLE3": lambda reader, argument: _push(reader, tuple(reader.take(3))),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), lambda reader, argument: reader.memo.__setitem__(argument, reader.stack[-1])),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda reader, argument: _push(reader, reader.memo[argument])),
    "SETITEM": lambda reader, argument: reader.pairs(reader.take(2)),
    "SETITEMS": lambda reader, argument: reader.pairs(reader.pop_mark()),
    "APPEND": lambda reader, argument: _append(reader, reader.take(1)),
    "APPENDS": lambda reader, argument: _append(reader, reader.pop_mark()),
}
NAMING = {"GLOBAL": _Reader.name_it, "REDUCE": _Reader.call, "BUILD": _Reader.build, "BINPERSID": _Reader.stored}
