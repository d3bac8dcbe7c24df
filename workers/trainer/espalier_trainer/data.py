"""Rows to token batches. Every choice is a pure function of (seed, epoch): there is no sampler state to save."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy
import torch
from tokenizers import Encoding, Tokenizer

from .events import BAD_DATA, TrainerError
from .windows import Window, Windows, cut, tokens_of

SHOWN_PROBLEMS = 20
# Encoded before they are cut: a whole text takes some hundred bytes a token, its windows eight.
WHOLE_TEXTS = 512
# One text, or two that are joined as the model's tokenizer joins pairs.
Text = str | tuple[str, str]
# A class, or whether each of the labels applies.
Target = int | list[float]


def pure_seed(*parts: object) -> int:
    """A 63-bit seed from anything: H(seed, 'step', 17)."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8]) >> 1


@dataclass(frozen=True)
class Rows:
    """Tokenised texts with their classes. `tokens`/`types`: one int32 array a row; `targets`: int64 [rows], or of several
    labels a row float32 [rows, labels] of 0 and 1."""

    tokens: list[numpy.ndarray]
    types: list[numpy.ndarray]
    targets: torch.Tensor
    further: dict[int, list[Window]] = field(default_factory=dict)
    """Of rows that are read in windows: those after the first."""

    def __len__(self) -> int:
        return len(self.tokens)


def read_rows(path: Path, labels: list[str], multi_label: bool = False) -> tuple[list[Text], list[Target]]:
    """Texts and classes of a JSON-lines file; with `multi_label` a row has `labels`, and its target is a 0 or 1 for each.
    Raises TrainerError 65 naming the first lines that are wrong."""
    classes = {label: index for index, label in enumerate(labels)}
    texts: list[Text] = []
    targets: list[Target] = []
    problems: list[str] = []
    with path.open("rb") as stream:
        for line_number, line in enumerate(stream, 1):
            try:
                row = json.loads(line)
                text, pair, label = row["text"], row.get("pair"), row["labels" if multi_label else "label"]
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                problems.append(f"{path.name}:{line_number} is not a row with text and label ({type(error).__name__}: {error})")
                continue
            if not isinstance(text, str) or not text.strip():
                problems.append(f"{path.name}:{line_number} has no text")
            elif pair is not None and (not isinstance(pair, str) or not pair.strip()):
                problems.append(f"{path.name}:{line_number} has no second text")
            elif texts and (pair is None) == isinstance(texts[0], tuple):
                problems.append(f"{path.name}:{line_number} has {'one text' if pair is None else 'two texts'}, the rows before it {'two' if pair is None else 'one'}")
            elif multi_label and not isinstance(label, list):
                problems.append(f"{path.name}:{line_number} has no list of labels")
            elif multi_label and (unknown := [one for one in label if not isinstance(one, str) or one not in classes]):
                problems.append(f"{path.name}:{line_number} has the unknown label {unknown[0]!r}")
            elif not multi_label and (not isinstance(label, str) or label not in classes):
                problems.append(f"{path.name}:{line_number} has the unknown label {label!r}")
            else:
                texts.append(text if pair is None else (text, pair))
                targets.append([float(one in label) for one in labels] if multi_label else classes[label])
    refuse_rows(path, problems, len(texts))
    return texts, targets


def are_pairs(texts: list[Text]) -> bool:
    return bool(texts) and isinstance(texts[0], tuple)


def refuse_rows(path: Path, problems: list[str], rows: int) -> None:
    """Raises TrainerError 65 when there are problems, or no rows."""
    if not problems and rows == 0:
        problems = [f"{path.name} has no rows"]
    if problems:
        more = len(problems) - SHOWN_PROBLEMS
        shown = problems[:SHOWN_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise TrainerError(BAD_DATA, "the training data are not usable: " + "; ".join(shown), problems=shown)


def tokenize(tokenizer: Tokenizer, texts: list[Text], targets: list[Target], max_length: int, windows: Windows | None = None) -> Rows:
    rows = encode_windows(tokenizer, texts, max_length, windows) if windows else [[tokens_of(one)] for one in encode(tokenizer, texts, max_length)]
    return Rows(
        [ids for (ids, _), *_ in rows],
        [types for (_, types), *_ in rows],
        torch.tensor(targets, dtype=torch.float32 if targets and isinstance(targets[0], list) else torch.int64),
        {row: further for row, (_, *further) in enumerate(rows) if further},
    )


def encode_windows(tokenizer: Tokenizer, texts: list[Text], max_length: int, windows: Windows) -> list[list[Window]]:
    tokenizer.no_padding()
    tokenizer.no_truncation()
    blocks = (texts[start : start + WHOLE_TEXTS] for start in range(0, len(texts), WHOLE_TEXTS))
    return [cut(encoding, max_length, windows) for block in blocks for encoding in tokenizer.encode_batch(block)]


def encode(tokenizer: Tokenizer, texts: list[Text], max_length: int) -> list[Encoding]:
    """Of two texts the longer is cut first (the tokenizer's own default, as transformers'). Where both are cut, both keep as
    many tokens: one that is over would go to the first here, and to the second in the package for Node, which serves."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    over = max(0, max_length - len(tokenizer.encode("", "").ids)) % 2
    encodings: dict[int, Encoding] = {}
    for limit, kind in ((max_length, str), (max_length - over, tuple)):
        places = [place for place, text in enumerate(texts) if isinstance(text, kind)]
        tokenizer.enable_truncation(limit)
        encodings |= zip(places, tokenizer.encode_batch([texts[place] for place in places]), strict=True)
    return [encodings[place] for place in range(len(texts))]


@lru_cache(maxsize=1)  # every step of an epoch asks for it
def order(rows: int, seed: int, epoch: int) -> numpy.ndarray:
    return numpy.random.Generator(numpy.random.PCG64(pure_seed(seed, "order", epoch))).permutation(rows)


def step_batches(
    rows: int, seed: int, epoch: int, step_in_epoch: int, batch_size: int, accumulation: int, divisor: int = 1
) -> list[numpy.ndarray]:
    """The micro-batches (row numbers) of one optimizer step; the epoch's last step may be short. A divisor cuts each batch
    into as many parts: the step's rows stay the same."""
    first, part = step_in_epoch * batch_size * accumulation, math.ceil(batch_size / divisor)
    chosen = order(rows, seed, epoch)[first : first + batch_size * accumulation]
    batches = [chosen[start : start + batch_size] for start in range(0, len(chosen), batch_size)]
    return [batch[start : start + part] for batch in batches for start in range(0, len(batch), part)]


def collate(rows: Rows, indices: numpy.ndarray, pad: int, inputs: list[str], device: torch.device) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Inputs by name, int64 [batch, longest], padded on the right; targets int64 [batch]. Where one of the rows is read in
    windows, the further ones follow, and `row` says of each line which row it is of."""
    owners = [*range(len(indices)), *(row for row, index in enumerate(indices) for _ in rows.further.get(int(index), ()))]
    windows = [(rows.tokens[index], rows.types[index]) for index in indices]
    windows += [window for index in indices for window in rows.further.get(int(index), ())]
    longest = max(len(ids) for ids, _ in windows)
    arrays = {name: numpy.full((len(windows), longest), pad if name == "input_ids" else 0, numpy.int64) for name in inputs}
    for line, (ids, types) in enumerate(windows):
        length = len(ids)
        arrays["input_ids"][line, :length] = ids
        arrays["attention_mask"][line, :length] = 1
        if "token_type_ids" in arrays:
            arrays["token_type_ids"][line, :length] = types
    if len(windows) > len(indices):
        arrays["row"] = numpy.asarray(owners, numpy.int64)
    targets = rows.targets[torch.from_numpy(numpy.ascontiguousarray(indices))]
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}, targets.to(device)
