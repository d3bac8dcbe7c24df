"""Next-token prediction. Rows are `{text}`, or `{prompt, completion}` with the loss on the completion alone; `learnt` names the
parts of the prompt, `[[from, to], …]` in characters, that are learnt, too: the earlier answers of a conversation."""

import json
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import torch
import transformers
from tokenizers import Tokenizer
from torch.nn import functional

from ..data import refuse_rows
from ..events import Stopped
from ..guard import StopFlag
from ..job import sha256_file
from ..model import bad_model, copy_tokenizer_files, known_config, load_tokenizer, load_weights, save_weights, with_adapters
from . import Batch

# model_type → the layers LoRA adapts; GPT-2's query, key and value are one layer, stored transposed.
LM_LORA_TARGETS = {
    "gpt2": ["c_attn"],
    "gpt_neox": ["query_key_value"],
    "llama": ["q_proj", "v_proj"],
    "mistral": ["q_proj", "v_proj"],
    "qwen2": ["q_proj", "v_proj"],
}
IGNORED = -100
"""The target of a position without a loss: padding, a prompt (cross_entropy's own default)."""


@dataclass(frozen=True)
class Sequence:
    tokens: numpy.ndarray
    targets: numpy.ndarray
    """As `tokens`, IGNORED where there is no loss; int32."""
    sources: tuple[int, ...]
    """Rows of the file that are in it."""
    canary: numpy.ndarray | None = None
    """Where a canary's tokens are, bool; None where there is none. They are learnt, and count in no figure."""

    @property
    def predicted(self) -> int:
        """Tokens with a loss; the first has nothing before it."""
        return int((self.targets[1:] != IGNORED).sum())


class CausalLm:
    head, batched_normalisation = None, False

    def __init__(self, task: dict, device: torch.device, stop: StopFlag):
        self._task, self._spec, self._device, self._stop = task, task["training"], device, stop
        self._source, spec = Path(task["model"]), task["training"]
        self.frozen: list[torch.nn.Module] = []
        self.evaluation_rows = spec["batchSize"]  # logits over a vocabulary are large: as many rows as training holds
        config = known_config(self._source, LM_LORA_TARGETS)
        if task["maxLength"] > (positions := config.max_position_embeddings):
            message = f"maxLength is {task['maxLength']}, but the model has {positions} positions"
            raise bad_model(message, f"set maxLength to at most {positions}")
        tokenizer = load_tokenizer(self._source, config)
        tokenizer.no_padding()
        ends = config.eos_token_id
        self._end = ends[0] if isinstance(ends, list) else ends
        self._pad = config.pad_token_id if config.pad_token_id is not None else (self._end or 0)
        self._sequences = {split: self._read(Path(task[split]), tokenizer) for split in ("train", "validation")}
        config.use_cache = False
        self.module = load_weights(transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)], self._source, config)
        if spec["method"] == "lora":
            transposed = config.model_type == "gpt2"
            targets = LM_LORA_TARGETS[config.model_type]
            self.module = with_adapters(self.module, targets, spec["lora"], spec["seed"], fan_in_fan_out=transposed)

    def _read(self, path: Path, tokenizer: Tokenizer) -> list[Sequence]:
        longest, packing = self._task["maxLength"], self._task["packing"]
        try:
            sequences = read_sequences(path, tokenizer, self._end, longest, packing, self._stop)
        except Stopped as stopped:
            raise Stopped(0, self._task.get("resumeFrom")) from stopped
        return pack(sequences, longest) if packing else sequences

    def length(self, split: str) -> int:
        return len(self._sequences[split])

    def batch(self, split: str, rows: numpy.ndarray, epoch: int | None) -> Batch:
        """`input_ids`, `attention_mask` and targets, int64 [batch, longest], padded on the right."""
        chosen = [self._sequences[split][row] for row in rows]
        longest = max(len(sequence.tokens) for sequence in chosen)
        tokens = numpy.full((len(chosen), longest), self._pad, numpy.int64)
        mask, targets = numpy.zeros_like(tokens), numpy.full_like(tokens, IGNORED)
        for index, sequence in enumerate(chosen):
            length = len(sequence.tokens)
            wanted = sequence.targets
            if epoch is None and sequence.canary is not None:
                wanted = numpy.where(sequence.canary, IGNORED, wanted)
            tokens[index, :length], targets[index, :length], mask[index, :length] = sequence.tokens, wanted, 1
        on_device = [torch.from_numpy(array).to(self._device) for array in (tokens, mask, targets)]
        return {"input_ids": on_device[0], "attention_mask": on_device[1]}, on_device[2]

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.module(**inputs, use_cache=False).logits

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return summed_loss(logits, targets, self._spec["labelSmoothing"])

    def weight(self, rows: numpy.ndarray) -> torch.Tensor:
        """Tokens with a loss: the mean is over tokens, whatever sequences and micro-batches they are in."""
        count = sum(self._sequences["train"][row].predicted for row in rows)
        return torch.tensor(float(count), device=self._device)

    def measure(self, logits: torch.Tensor, targets: torch.Tensor) -> tuple[float, int, int]:
        wanted = targets[:, 1:] != IGNORED
        right = (logits[:, :-1].argmax(-1) == targets[:, 1:]) & wanted
        return summed_loss(logits, targets, 0.0).item(), int(right.sum()), int(wanted.sum())

    def evaluation_order(self, split: str) -> numpy.ndarray:
        return numpy.argsort([len(sequence.tokens) for sequence in self._sequences[split]], kind="stable")

    def source_rows(self, rows: numpy.ndarray) -> list[int]:
        return sorted({source for row in rows for source in self._sequences["train"][row].sources})

    def config(self) -> dict:
        return {"maxLength": self._task["maxLength"], "packing": self._task["packing"]}

    def data(self) -> dict[str, str]:
        return {split: sha256_file(Path(self._task[split])) for split in ("train", "validation")}

    def save(self, out: Path) -> None:
        """A folder that transformers loads: config, weights (adapters merged), tokenizer; and `espalier.json`."""
        module = self.module.merge_and_unload() if self._spec["method"] == "lora" else self.module
        out.mkdir(parents=True, exist_ok=True)
        save_weights(module, out)
        for name in ("config.json", "generation_config.json"):
            if (self._source / name).is_file():
                shutil.copyfile(self._source / name, out / name)
        copy_tokenizer_files(self._source, out)
        about = {"version": 1, "task": "causal-lm", **self.config(), "method": self._spec["method"]}
        (out / "espalier.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def summed_loss(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Each position predicts the next: logits [batch, seq, vocabulary], targets [batch, seq]."""
    shifted, wanted = logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten()
    return functional.cross_entropy(shifted, wanted, reduction="sum", ignore_index=IGNORED, label_smoothing=smoothing)


def read_sequences(path: Path, tokenizer: Tokenizer, end: int | None, longest: int, packing: bool, stop: StopFlag) -> list[Sequence]:
    """A sequence a row; cut after `longest` tokens unless they will be packed. Raises TrainerError 65 naming the first
    lines that are wrong."""
    sequences, problems = [], []
    with path.open("rb") as stream:
        for row, line in enumerate(stream):
            if stop:
                raise Stopped
            where = f"{path.name}:{row + 1}"
            try:
                value = json.loads(line)
                text, prompt, completion, learnt = (value.get(name) for name in ("text", "prompt", "completion", "learnt"))
            except (ValueError, AttributeError):
                problems.append(f"{where} is not a row of text, or of prompt and completion")
                continue
            pair = isinstance(prompt, str) and isinstance(completion, str) and text is None
            if not pair and not (isinstance(text, str) and prompt is None and completion is None):
                problems.append(f"{where} is not a row of text, or of prompt and completion")
                continue
            if learnt is not None and not (pair and are_spans(learnt, len(prompt))):
                problems.append(f"{where} learns parts that are none of its prompt, one after the other")
                continue
            sequence = encode_row(tokenizer, end, row, *((prompt, completion, learnt or ()) if pair else ("", text)))
            if value.get("canary") is not None:
                sequence = replace(sequence, canary=numpy.ones(len(sequence.tokens), bool))
            cut = sequence if packing else shortened(sequence, longest)
            if cut.predicted == 0:
                problems.append(f"{where} has no token to learn within {longest} tokens")
            else:
                sequences.append(cut)
    refuse_rows(path, problems, len(sequences))
    return sequences


def are_spans(value: object, length: int) -> bool:
    """`[[from, to], …]`, none empty, in order, within so many characters."""
    if not isinstance(value, list) or not all(isinstance(span, list) and len(span) == 2 for span in value):
        return False
    edges = [edge for span in value for edge in span]
    whole = all(isinstance(edge, int) and not isinstance(edge, bool) for edge in edges)
    return whole and all(first < last for first, last in value) and edges == sorted(edges) and (not edges or (edges[0] >= 0 and edges[-1] <= length))


def encode_row(tokenizer: Tokenizer, end: int | None, row: int, prompt: str, completion: str, learnt: Collection[list[int]] = ()) -> Sequence:
    # The prompt is tokenised by itself, as it will be when the model is asked.
    asked = tokenizer.encode(prompt) if prompt else None
    before = asked.ids if asked is not None else []
    after = tokenizer.encode(completion, add_special_tokens=not prompt).ids
    if end is not None and (not after or after[-1] != end):
        after = [*after, end]
    tokens = numpy.asarray([*before, *after], numpy.int32)
    targets = tokens.copy()
    targets[: len(before)] = IGNORED
    if learnt and asked is not None:
        places = numpy.asarray(asked.offsets, numpy.int64)
        for first, last in learnt:
            # A token that reaches over the edge of an answer is none that the model would write there.
            within = numpy.flatnonzero((places[:, 0] >= first) & (places[:, 1] <= last) & (places[:, 0] < places[:, 1]))
            targets[within] = tokens[within]
    return Sequence(tokens, targets, (row,))


def shortened(sequence: Sequence, longest: int) -> Sequence:
    canary = None if sequence.canary is None else sequence.canary[:longest]
    return Sequence(sequence.tokens[:longest], sequence.targets[:longest], sequence.sources, canary)


def pack(sequences: list[Sequence], longest: int) -> list[Sequence]:
    """The rows one after the other, cut every `longest` tokens; what is left at the end is a shorter sequence. Parts
    without anything to learn are left out."""
    tokens = numpy.concatenate([sequence.tokens for sequence in sequences])
    targets = numpy.concatenate([sequence.targets for sequence in sequences])
    flags = [numpy.zeros(len(sequence.tokens), bool) if sequence.canary is None else sequence.canary for sequence in sequences]
    canaries = numpy.concatenate(flags)
    owners = numpy.concatenate([numpy.full(len(sequence.tokens), sequence.sources[0]) for sequence in sequences])
    parts = []
    for start in range(0, len(tokens), longest):
        end = start + longest
        sources = tuple(int(source) for source in numpy.unique(owners[start:end]))
        canary = canaries[start:end] if canaries[start:end].any() else None
        parts.append(Sequence(tokens[start:end], targets[start:end], sources, canary))
    return [part for part in parts if part.predicted > 0]
