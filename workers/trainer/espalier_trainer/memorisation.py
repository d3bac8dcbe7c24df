"""How well a trained language model knows texts: its loss on each, its base's loss on each, and what it writes when it is
given the beginnings of some. Figures and text only; what they mean is for the step that asked."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy
import torch
import transformers
from tokenizers import Tokenizer
from torch.nn import functional

from .data import pure_seed
from .device import make_deterministic, pick_device
from .events import Events, Stopped, Told
from .guard import StopFlag
from .model import bad_model, known_config, load_tokenizer, load_weights
from .tasks.causal_lm import IGNORED, LM_LORA_TARGETS, Sequence, read_sequences, shortened


def measure_memorisation(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/losses.jsonl`: a line a text, `{tokens, loss, baseLoss}`, summed over the text's tokens in nats; `baseLoss` is
    null without a base. `out/generations.jsonl`: `{row, decoding, sample, text}` a continuation, `row` counting `prompts`."""
    out = Path(task["out"])
    out.mkdir(parents=True, exist_ok=True)
    device = pick_device(task["device"])
    make_deterministic(task["threads"], device)
    told = Told(events)
    model = LanguageModel(Path(task["model"]), task["maxLength"], device)
    events.emit("ready", device=device.type, threads=task["threads"])
    texts = model.read(Path(task["texts"]), stop)
    losses = model.losses(texts, task["batchSize"], stop, told, "losses")
    with (out / "generations.jsonl").open("w", encoding="utf-8") as stream:
        for generation in model.continuations(model.read(Path(task["prompts"]), stop), task, stop, told):
            stream.write(json.dumps(generation, ensure_ascii=False) + "\n")
    base_losses: list[float | None] = [None] * len(texts)
    if task["base"] is not None:
        base = LanguageModel(Path(task["base"]), task["maxLength"], device)
        base_losses = [*base.losses(base.read(Path(task["texts"]), stop), task["batchSize"], stop, told, "losses of the base")]
    with (out / "losses.jsonl").open("w", encoding="utf-8") as stream:
        for sequence, loss, base_loss in zip(texts, losses, base_losses, strict=True):
            stream.write(json.dumps({"tokens": sequence.predicted, "loss": loss, "baseLoss": base_loss}) + "\n")
    return {"losses": str(out / "losses.jsonl"), "generations": str(out / "generations.jsonl")}


class LanguageModel:
    def __init__(self, folder: Path, longest: int, device: torch.device):
        config = known_config(folder, LM_LORA_TARGETS)
        if longest > (positions := config.max_position_embeddings):
            raise bad_model(f"maxLength is {longest}, but the model has {positions} positions", f"set maxLength to at most {positions}")
        self._longest, self._device = longest, device
        self._tokenizer: Tokenizer = load_tokenizer(folder, config)
        self._tokenizer.no_padding()
        ends = config.eos_token_id
        self._end: int | None = ends[0] if isinstance(ends, list) else ends
        self._pad = config.pad_token_id if config.pad_token_id is not None else (self._end or 0)
        kind = transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        self._module = load_weights(kind, folder, config).to(device).eval()

    def read(self, path: Path, stop: StopFlag) -> list[Sequence]:
        sequences = read_sequences(path, self._tokenizer, self._end, self._longest, False, stop)
        return [shortened(sequence, self._longest) for sequence in sequences]

    @torch.inference_mode()
    def losses(self, sequences: list[Sequence], size: int, stop: StopFlag, told: Told, phase: str) -> list[float]:
        """Each text's summed cross-entropy in nats, in the order of the texts."""
        order = sorted(range(len(sequences)), key=lambda row: (len(sequences[row].tokens), row))
        losses = [0.0] * len(sequences)
        for start in range(0, len(order), size):
            if stop:
                raise Stopped
            rows = order[start : start + size]
            longest = len(sequences[rows[-1]].tokens)
            tokens = torch.full((len(rows), longest), self._pad, dtype=torch.int64)
            targets, mask = torch.full_like(tokens, IGNORED), torch.zeros_like(tokens)
            for place, row in enumerate(rows):
                length = len(sequences[row].tokens)
                tokens[place, :length] = torch.from_numpy(sequences[row].tokens)
                targets[place, :length] = torch.from_numpy(sequences[row].targets)
                mask[place, :length] = 1
            logits = self._module(input_ids=tokens.to(self._device), attention_mask=mask.to(self._device), use_cache=False).logits
            wanted = targets[:, 1:].to(self._device)
            each = functional.cross_entropy(logits[:, :-1].float().transpose(1, 2), wanted, ignore_index=IGNORED, reduction="none")
            for row, loss in zip(rows, each.double().sum(1).tolist(), strict=True):
                losses[row] = loss
            told.say(phase, start + len(rows), len(order))
        return losses

    def continuations(self, sequences: list[Sequence], task: dict, stop: StopFlag, told: Told) -> Iterator[dict]:
        """Of each text's first `prefixTokens` (a short one's first half; a prompt, where there is one): greedily, and
        `samples` times at `temperature`, each draw a function of (seed, row, place)."""
        for row, sequence in enumerate(sequences):
            asked = prompted(sequence) or min(task["prefixTokens"], max(1, len(sequence.tokens) // 2))
            prefix = [int(token) for token in sequence.tokens[:asked]]
            written = self._continue(prefix, row, task, stop)
            for sample, tokens in enumerate(written):
                decoding = "greedy" if sample == 0 else "sampled"
                yield {"row": row, "decoding": decoding, "sample": max(0, sample - 1), "text": self._tokenizer.decode(tokens)}
            told.say("generations", row + 1, len(sequences))

    @torch.inference_mode()
    def _continue(self, prefix: list[int], row: int, task: dict, stop: StopFlag) -> list[list[int]]:
        count = 1 + task["samples"]
        tokens, cache = torch.tensor([prefix] * count, device=self._device), None
        written: list[list[int]] = [[] for _ in range(count)]
        open_rows = set(range(count))
        for place in range(min(task["newTokens"], self._longest - len(prefix))):
            if stop:
                raise Stopped
            answer = self._module(input_ids=tokens, past_key_values=cache, use_cache=True)
            cache, logits = answer.past_key_values, answer.logits[:, -1].float().cpu()
            chosen = logits.argmax(-1)
            if task["samples"] > 0:
                generator = torch.Generator().manual_seed(pure_seed(task["seed"], "generate", row, place))
                probabilities = (logits[1:] / task["temperature"]).softmax(-1)
                chosen[1:] = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
            for index in ended(open_rows, chosen, self._end):
                open_rows.discard(index)
            for index in open_rows:
                written[index].append(int(chosen[index]))
            if not open_rows:
                break
            tokens = chosen.unsqueeze(1).to(self._device)
        return written


def prompted(sequence: Sequence) -> int:
    """Tokens before the last answer: in a conversation earlier answers are learnt, and shown all the same."""
    ignored = numpy.flatnonzero(sequence.targets == IGNORED)
    return int(ignored[-1]) + 1 if len(ignored) else 0


def ended(rows: Iterable[int], chosen: torch.Tensor, end: int | None) -> list[int]:
    return [row for row in rows if int(chosen[row]) == end]
