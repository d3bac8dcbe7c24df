"""Causal language models as ONNX: one graph that reads a prompt and goes on token by token with what it remembers."""

import json
from pathlib import Path

import numpy
import onnx
import torch
import transformers
from tokenizers import Tokenizer
from torch import nn
from torch.export import Dim
from transformers import DynamicCache

from .events import Events, Stopped
from .export import PARITY_TEXTS
from .graphs import OPSET, name_outputs, strip_machine
from .guard import StopFlag
from .model import bad_model, known_config, load_tokenizer, load_weights
from .tasks.causal_lm import LM_LORA_TARGETS

PROMPTS = [text for text in PARITY_TEXTS if len(text) < 200] + ["Once upon a time, there was", "User: Where is my order?\nAssistant:"]
NEW_TOKENS = 8
MAX_ONNX_BYTES = 2**31 - 2**20
"""A protobuf message holds at most 2 GiB; the rest is the graph itself."""
# Known chat formats by a marker of their template, the most telling first. A template is code: it is looked at, never run.
CHAT_MARKERS = [("<|im_start|>", "chatml"), ("<|start_header_id|>", "llama-3"), ("<<SYS>>", "llama-2"), ("[INST]", "mistral"), ("<|assistant|>", "zephyr")]


def export_generator(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/generator` (`model.onnx`, `tokenizer.json`, `generator.json`), `out/parity.json` and `out/parity.f32`."""
    source, out = Path(task["model"]), Path(task["out"])
    config = known_config(source, LM_LORA_TARGETS)
    model = load_weights(transformers.MODEL_FOR_CAUSAL_LM_MAPPING[type(config)], source, config).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters * 4 > MAX_ONNX_BYTES:
        message = f"the model has {parameters} parameters: as float32 they are more than the 2 GiB that an ONNX file holds"
        raise bad_model(message, "choose a smaller model")
    tokenizer = load_tokenizer(source, config)
    tokenizer.no_padding()
    if (known := tokenizer.get_vocab_size()) > config.vocab_size:
        raise bad_model(f"the tokenizer has {known} tokens, but the model knows {config.vocab_size}")
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    about = {
        "kind": "generator",
        "architecture": config.model_type,
        "layers": config.num_hidden_layers,
        "keyValueHeads": heads,
        "headSize": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        "vocabularySize": config.vocab_size,
        "contextTokens": config.max_position_embeddings,
        "endTokens": [token for token in ends if token is not None and token < config.vocab_size],
        "chatFormat": chat_format(source),
    }
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    folder = out / "generator"
    folder.mkdir(parents=True)
    write_graph(model, about, folder / "model.onnx", stop)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "generator.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    if stop:
        raise Stopped
    write_parity(model, tokenizer, about, out, stop)
    return {
        "generator": str(folder), "parity": str(out / "parity.json"), "parameters": parameters, "layers": about["layers"],
        "contextTokens": about["contextTokens"], "vocabularySize": about["vocabularySize"],
    }  # fmt: skip


class GeneratorGraph(nn.Module):
    """`past`: key and value of every layer, [batch, heads, earlier tokens, head size]; so come back the longer ones."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, past: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
        cache = DynamicCache()
        for layer in range(len(past) // 2):
            cache.update(past[2 * layer], past[2 * layer + 1], layer)
        answer = self.model(input_ids=input_ids, attention_mask=attention_mask, past_key_values=cache, use_cache=True)
        return answer.logits, *(part for layer in answer.past_key_values.layers for part in (layer.keys, layer.values))


def write_graph(model: nn.Module, about: dict, path: Path, stop: StopFlag) -> None:
    if stop:
        raise Stopped
    cached = [f"{layer}.{part}" for layer in range(about["layers"]) for part in ("key", "value")]
    outputs = ["logits", *(f"present.{name}" for name in cached)]
    # No length here is another's, 0 or 1: the exporter would take what is equal for the same and what is 1 for fixed.
    batch, tokens, earlier = 2, 3, 5
    shape = (batch, about["keyValueHeads"], earlier, about["headSize"])
    any_two = {0: Dim.DYNAMIC, 1: Dim.DYNAMIC}
    program = torch.onnx.export(
        GeneratorGraph(model).eval(), args=(), dynamo=True, opset_version=OPSET, verbose=False,
        kwargs={
            "input_ids": torch.ones(batch, tokens, dtype=torch.int64),
            "attention_mask": torch.ones(batch, tokens + earlier, dtype=torch.int64),
            "past": [torch.zeros(shape) for _ in cached],
        },
        input_names=["input_ids", "attention_mask", *(f"past_key_values.{name}" for name in cached)],
        output_names=[f"output:{name}" for name in outputs],
        dynamic_shapes={"input_ids": any_two, "attention_mask": any_two, "past": [{0: Dim.DYNAMIC, 2: Dim.DYNAMIC} for _ in cached]},
    )  # fmt: skip
    proto = program.model_proto
    name_outputs(proto.graph, outputs)
    strip_machine(proto)
    onnx.save(proto, path)


def chat_format(folder: Path) -> str:
    """A name of inference/generation/chat-formats.ts; `plain` for a model without a template or with an unknown one."""
    template = ""
    if (folder / "chat_template.jinja").is_file():
        template = (folder / "chat_template.jinja").read_text(encoding="utf-8")
    elif (folder / "tokenizer_config.json").is_file():
        template = str(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template") or "")
    return next((name for marker, name in CHAT_MARKERS if marker in template), "plain")


@torch.inference_mode()
def write_parity(model: nn.Module, tokenizer: Tokenizer, about: dict, out: Path, stop: StopFlag) -> None:
    """What PyTorch does with each prompt: its tokens, the tokens it goes on with greedily, and the logits of each of them,
    float32 [all tokens written, vocabulary] little-endian in `parity.f32`."""
    prompts = []
    with (out / "parity.f32").open("wb") as stream:
        for text in PROMPTS:
            if stop:
                raise Stopped
            ids = tokenizer.encode(text).ids
            room = about["contextTokens"] - len(ids)
            if not ids or room < 1:
                continue
            tokens, cache, written = torch.tensor([ids]), None, []
            for _ in range(min(NEW_TOKENS, room)):
                answer = model(input_ids=tokens, past_key_values=cache, use_cache=True)
                cache, logits = answer.past_key_values, answer.logits[0, -1]
                stream.write(logits.numpy().astype(numpy.dtype("<f4")).tobytes())
                written.append(int(logits.argmax()))
                tokens = torch.tensor([written[-1:]])
            prompts.append({"text": text, "ids": ids, "greedy": written})
    (out / "parity.json").write_text(json.dumps({"prompts": prompts}, ensure_ascii=False) + "\n", encoding="utf-8")
