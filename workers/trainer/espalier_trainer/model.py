"""Models of known architectures, pooling and the text classifier's head; folders in and out. Nothing a model folder
brings is executed: its architecture must be one of ours, its weights safetensors, its tokenizer a data file."""

import inspect
import json
import shutil
from collections.abc import Collection
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

from .data import pure_seed
from .events import BAD_JOB, TrainerError

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

# model_type → the linear layers LoRA adapts: attention's query and value (Hu et al. 2021, arXiv:2106.09685, §4.2).
LORA_TARGETS = {
    "bert": ["query", "value"],
    "roberta": ["query", "value"],
    "xlm-roberta": ["query", "value"],
    "camembert": ["query", "value"],
    "electra": ["query", "value"],
    "albert": ["query", "value"],
    "distilbert": ["q_lin", "v_lin"],
    "mpnet": ["q", "v"],
    "deberta-v2": ["query_proj", "value_proj"],
}
# These number positions from the padding id on, so that two or more rows of the position table are never used.
OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet"}
# Lines of a batch that an encoder is given at once where nothing is learnt from them.
MOST_AT_ONCE = 64
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json", "vocab.txt", "vocab.json", "merges.txt")


def bad_model(message: str, fix: str | None = None, kind: str = "BadModel") -> TrainerError:
    return TrainerError(BAD_JOB, message, fix, kind=kind)


def read_config(folder: Path, max_length: int, layers: int | None = None) -> transformers.PretrainedConfig:
    """The text encoder's config with its first `layers` layers. Raises TrainerError 64 for what we cannot or will not run."""
    config = known_config(folder, LORA_TARGETS)
    if layers is not None and layers > config.num_hidden_layers:
        raise bad_model(f"layers is {layers}, but the model has {config.num_hidden_layers}")
    if layers is not None:
        config.num_hidden_layers = layers
    if max_length > (positions := position_limit(config)):
        raise bad_model(f"maxLength is {max_length}, but the model has {positions} positions", f"set maxLength to at most {positions}")
    return config


def import_architectures(model_types: Collection[str]) -> None:
    """Imports what loading such models and training them would import; transformers does so when they are first used."""
    import peft  # noqa: F401
    from transformers import modeling_utils  # noqa: F401

    mappings = (transformers.MODEL_MAPPING, transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING, transformers.MODEL_FOR_CAUSAL_LM_MAPPING)
    for model_type in model_types:
        if model_type not in transformers.CONFIG_MAPPING:
            raise bad_model(f"there is no model_type {model_type!r} to import")
        config = transformers.CONFIG_MAPPING[model_type]
        for mapping in mappings:
            mapping.get(config, None)


def known_config(folder: Path, supported: Collection[str]) -> transformers.PretrainedConfig:
    """The config of one of the supported model types. Raises TrainerError 64 for code, quantised weights and the rest."""
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise bad_model(f"the model has no readable config.json: {error}") from error
    if hooks := sorted(find_key(raw, "auto_map")):
        message = f"config.json asks for the model's own code ({', '.join(hooks)}), which is never run"
        raise bad_model(message, "choose a model without auto_map", "UnsafeModel")
    model_type = raw.get("model_type")
    if model_type not in supported:
        raise bad_model(f"config.json has model_type {model_type!r}", f"supported are {', '.join(sorted(supported))}")
    if "quantization_config" in raw:
        raise bad_model("the model's weights are quantised; training needs the original ones")
    return transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def position_limit(config: transformers.PretrainedConfig) -> int:
    unused = (config.pad_token_id or 0) + 1 if config.model_type in OFFSET_POSITIONS else 0
    return config.max_position_embeddings - unused


def find_key(value: object, key: str, path: str = "config") -> list[str]:
    if isinstance(value, dict):
        here = [f"{path}.{key}"] if key in value else []
        return here + [found for name, part in value.items() for found in find_key(part, key, f"{path}.{name}")]
    if isinstance(value, list):
        return [found for index, part in enumerate(value) for found in find_key(part, key, f"{path}[{index}]")]
    return []


def load_encoder(folder: Path, config: transformers.PretrainedConfig) -> nn.Module:
    """The encoder in float32 and evaluation mode, without its pooler (never trained on our tasks, never used).
    Raises TrainerError 64 when a weight is missing: transformers would fill it with random numbers and go on."""
    kind = transformers.MODEL_MAPPING[type(config)]
    options = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind.__init__).parameters else {}
    return load_weights(kind, folder, config, **options).eval()


def load_weights(kind: type, folder: Path, config: transformers.PretrainedConfig, fresh: str | None = None, **options: object) -> nn.Module:
    """`kind` in float32 with the folder's safetensors. Weights below `fresh` may be missing or of another shape."""
    if not any(folder.glob("model*.safetensors")):
        raise bad_model("the model has no model.safetensors", "other weight formats can carry code and are not read", "UnsafeModel")
    model, report = kind.from_pretrained(
        folder, config=config, dtype=torch.float32, local_files_only=True, use_safetensors=True, output_loading_info=True,
        ignore_mismatched_sizes=True, **options,
    )  # fmt: skip
    mismatched = [key if isinstance(key, str) else key[0] for key in report["mismatched_keys"]]
    if broken := sorted(name for name in {*report["missing_keys"], *mismatched} if fresh is None or not name.startswith(fresh)):
        raise bad_model(f"{len(broken)} weights of the model are missing or have another shape: {', '.join(broken[:5])}")
    return model


def graph_inputs(encoder: nn.Module) -> list[str]:
    """Names of the inputs the encoder tells apart."""
    has_types = "token_type_ids" in inspect.signature(encoder.forward).parameters and encoder.config.type_vocab_size > 1
    return ["input_ids", "attention_mask", *(["token_type_ids"] if has_types else [])]


def load_tokenizer(folder: Path, config: transformers.PretrainedConfig) -> Tokenizer:
    """The tokenizer as every consumer of ours sets it up: batch padding with the model's own id, no truncation yet."""
    path = folder / "tokenizer.json"
    if path.is_file():
        tokenizer = Tokenizer.from_file(str(path))
    else:  # an older model with vocabulary files only: transformers knows how to convert those of our architectures
        slow = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = slow.backend_tokenizer
    pad = config.pad_token_id or 0
    tokenizer.no_truncation()
    tokenizer.enable_padding(pad_id=pad, pad_token=tokenizer.id_to_token(pad) or "[PAD]")
    return tokenizer


def copy_tokenizer_files(source: Path, target: Path) -> None:
    for name in TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)


def pool(hidden: torch.Tensor, attention_mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Hidden states [batch, seq, dim] to embeddings [batch, dim]: the first token's, or the mean over real tokens."""
    if pooling == "cls":
        return hidden[:, 0]
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)


class Classifier(nn.Module):
    """Encoder, pooling, dropout, linear head. `forward` gives logits [batch, classes]; of a row that is read in windows,
    their mean. The head is linear, so this is what it says of the mean of their embeddings: mean pooling over the parts of a long text
    (Sun, Qiu, Xu & Huang, How to Fine-Tune BERT for Text Classification?, 2019, arXiv:1905.05583, section 4.1)."""

    def __init__(self, encoder: nn.Module, classes: int, pooling: str, dropout: float, seed: int = 0):
        super().__init__()
        self.encoder, self.pooling = encoder, pooling
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(encoder.config.hidden_size, classes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(pure_seed(seed, "head"))
            nn.init.normal_(self.head.weight, std=0.02)
            nn.init.zeros_(self.head.bias)

    def embed(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        lines = len(inputs["input_ids"])
        if not self.training and lines > MOST_AT_ONCE:  # long texts: no gradient binds their windows together
            parts = ({name: tensor[start : start + MOST_AT_ONCE] for name, tensor in inputs.items()} for start in range(0, lines, MOST_AT_ONCE))
            return torch.cat([self.embed(part) for part in parts])
        return pool(self.encoder(**inputs).last_hidden_state, inputs["attention_mask"], self.pooling)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        tokens = {name: tensor for name, tensor in inputs.items() if name != "row"}
        logits = self.head(self.dropout(self.embed(tokens)))
        return mean_by_row(logits, inputs["row"]) if "row" in inputs else logits


def mean_by_row(values: torch.Tensor, owners: torch.Tensor) -> torch.Tensor:
    """Of float [lines, width] the mean of each row's lines, float32 [rows, width]."""
    values, rows = values.float(), int(owners.max()) + 1
    sums = values.new_zeros(rows, values.shape[1]).index_add(0, owners, values)
    return sums / values.new_zeros(rows).index_add(0, owners, torch.ones_like(values[:, 0])).unsqueeze(1)


def adapt(classifier: Classifier, method: str, lora: dict, seed: int) -> None:
    """Chooses what trains: everything, low-rank adapters with the head, or the head alone."""
    if method == "head":
        classifier.encoder.requires_grad_(False)
    elif method == "lora":
        classifier.encoder = with_adapters(classifier.encoder, LORA_TARGETS[classifier.encoder.config.model_type], lora, seed)


def with_adapters(module: nn.Module, targets: list[str] | str, lora: dict, seed: int, **options: object) -> nn.Module:
    """The module with all its weights frozen and low-rank adapters beside its `targets`; new weights depend on the seed alone."""
    from peft import LoraConfig, get_peft_model  # 0.4 s that the other methods need not pay

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(pure_seed(seed, "lora"))
        return get_peft_model(
            module,
            LoraConfig(r=lora["rank"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], target_modules=targets, **options),
        )


def save_classifier(classifier: Classifier, source: Path, out: Path, about: dict) -> None:
    """`config.json`, `model.safetensors` (encoder.*, head.*), tokenizer files, `espalier.json`: bytes depend on the weights only."""
    out.mkdir(parents=True, exist_ok=True)
    save_weights(classifier, out)
    shutil.copyfile(source / "config.json", out / "config.json")
    copy_tokenizer_files(source, out)
    (out / "espalier.json").write_text(json.dumps({"version": 1, **about}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def save_weights(module: nn.Module, out: Path) -> None:
    """`model.safetensors`, float32; a weight that goes by two names (tied embeddings) is stored by its first."""
    seen: set[tuple[int, torch.Size]] = set()
    tensors = {}
    for name, tensor in module.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape)
        if tensor.numel() == 0 or place not in seen:
            tensors[name] = tensor.cpu().contiguous()
        seen.add(place)
    save_file(tensors, out / "model.safetensors", {"format": "pt"})


def load_classifier(folder: Path) -> tuple[Classifier, dict]:
    """What `save_classifier` wrote, and its `espalier.json`. Raises TrainerError 64 when a weight is missing or unknown."""
    try:
        about = json.loads((folder / "espalier.json").read_text(encoding="utf-8"))
        labels, pooling, max_length = about["labels"], about["pooling"], about["maxLength"]
    except (OSError, ValueError, KeyError) as error:
        raise bad_model(f"the folder holds no trained classifier: espalier.json is unusable ({error})") from error
    config = read_config(folder, max_length)
    kind = transformers.MODEL_MAPPING[type(config)]
    options = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(kind.__init__).parameters else {}
    classifier = Classifier(kind(config, **options), len(labels), pooling, dropout=0)
    try:
        classifier.load_state_dict(load_file(folder / "model.safetensors"))
    except (OSError, RuntimeError) as error:
        raise bad_model(f"model.safetensors does not hold the classifier of espalier.json: {error}") from error
    return classifier.eval(), about
