"""Classes of pictures: a convolutional or transformer backbone of transformers and its linear head. Rows are
`{image: path relative to the rows' file, label}`."""

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import torch
import transformers
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from ..data import pure_seed, refuse_rows
from ..events import BAD_DATA, Stopped, TrainerError
from ..guard import StopFlag
from ..images import augment, open_picture, prepare, read_preprocessing
from ..job import sha256_file
from ..model import bad_model, known_config, load_weights, save_weights, with_adapters
from . import Batch
from .classification import Classification

# model_type → what LoRA adapts: every convolution of a residual network, attention's query and value of a transformer.
# Nothing of MobileNetV2: it reads the stride of its convolutions, which adapters hide.
IMAGE_LORA_TARGETS: dict[str, list[str]] = {
    "resnet": ["convolution"],
    "convnext": ["pwconv1", "pwconv2"],
    "mobilenet_v2": [],
    "vit": ["q_proj", "v_proj"],
}


class ImageClassification(Classification):
    head, evaluation_rows = "classifier.", 64

    def __init__(self, task: dict, device: torch.device, stop: StopFlag):
        self._task, self._spec, self._device, self._stop = task, task["training"], device, stop
        self._source = Path(task["model"])
        config = known_config(self._source, IMAGE_LORA_TARGETS)
        self._how = read_preprocessing(self._source)
        self._rows = {split: read_pictures(Path(task[split]), task["labels"], stop, task.get("resumeFrom")) for split in ("train", "validation")}
        self._pool = ThreadPoolExecutor(self._spec["threads"])
        self.module = load_image_classifier(self._source, config, task["labels"], self._spec["seed"])
        self._adapt(config.model_type)
        norms = [module for module in self.module.modules() if isinstance(module, _BatchNorm)]
        # Frozen weights were fitted to the statistics they came with: those stay too.
        self.frozen = {"full": [], "lora": norms, "head": [self.module.base_model]}[self._spec["method"]]
        self.batched_normalisation = self._spec["method"] == "full" and len(norms) > 0
        self.weigh_classes(self._targets("train"), len(task["labels"]))

    def _adapt(self, model_type: str) -> None:
        method, seed, rate, module = self._spec["method"], self._spec["seed"], self._spec["dropout"], self.module
        # The task's dropout sits before the head and has no weights: no name changes.
        module.classifier.register_forward_pre_hook(lambda head, inputs: (functional.dropout(inputs[0], rate, head.training),))
        if method == "head":
            module.base_model.requires_grad_(False)
        elif method == "lora":
            if not IMAGE_LORA_TARGETS[model_type]:
                raise bad_model(f"low-rank adapters do not fit a model of the type {model_type}", "set training.method to 'full' or 'head'")
            adapted = with_adapters(module.base_model, IMAGE_LORA_TARGETS[model_type], self._spec["lora"], seed)
            setattr(module, module.base_model_prefix, adapted)

    def _targets(self, split: str) -> torch.Tensor:
        return torch.tensor([target for _, target in self._rows[split]], dtype=torch.int64)

    def length(self, split: str) -> int:
        return len(self._rows[split])

    def batch(self, split: str, rows: numpy.ndarray, epoch: int | None) -> Batch:
        """`pixel_values` float32 [batch, 3, height, width]; targets int64 [batch]. Pictures are decoded side by side; each
        is a function of its row and the epoch, so the order in which threads end does not matter."""
        chosen = [self._rows[split][row] for row in rows]
        arrays = list(self._pool.map(lambda row: self._picture(split, int(row), epoch), rows))
        targets = torch.tensor([target for _, target in chosen], dtype=torch.int64)
        return {"pixel_values": torch.from_numpy(numpy.stack(arrays)).to(self._device)}, targets.to(self._device)

    def _picture(self, split: str, row: int, epoch: int | None) -> numpy.ndarray:
        file, _ = self._rows[split][row]
        try:
            picture = open_picture(file)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise TrainerError(BAD_DATA, f"row {row + 1} of {split} names a picture that cannot be decoded: {error}") from error
        augmentation = self._task["augmentation"]
        if epoch is None or augmentation is None:
            return prepare(picture, self._how)
        return augment(picture, self._how, augmentation, self._spec["seed"], epoch, row)

    def logits(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return self.module(**inputs).logits

    def evaluation_order(self, split: str) -> numpy.ndarray:
        return numpy.arange(self.length(split))

    def config(self) -> dict:
        return {"labels": self._task["labels"], "augmentation": self._task["augmentation"]}

    def data(self) -> dict[str, str]:
        """Of each split: the digest of its rows' file, and one of all its pictures' digests."""
        digests = {}
        for split in ("train", "validation"):
            pictures = hashlib.sha256()
            for file, _ in self._rows[split]:
                if self._stop:
                    raise Stopped(0, self._task.get("resumeFrom"))
                pictures.update(sha256_file(file).encode())
            digests |= {split: sha256_file(Path(self._task[split])), f"{split}Pictures": pictures.hexdigest()}
        return digests

    def save(self, out: Path) -> None:
        """A folder that transformers loads: config, weights, preprocessing; and `espalier.json`."""
        if self._spec["method"] == "lora":
            setattr(self.module, self.module.base_model_prefix, self.module.base_model.merge_and_unload())
        out.mkdir(parents=True, exist_ok=True)
        save_weights(self.module, out)
        self.module.config.architectures = [type(self.module).__name__]
        self.module.config.to_json_file(out / "config.json")
        shutil.copyfile(self._source / "preprocessor_config.json", out / "preprocessor_config.json")
        about = {"version": 1, "task": "image-classification", **self.config(), "method": self._spec["method"]}
        (out / "espalier.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_image_classifier(folder: Path, config: transformers.PretrainedConfig, labels: list[str], seed: int) -> nn.Module:
    """The model with a head of these labels: its own when it has the same labels in the same order, else a new one,
    whose weights depend on the seed alone."""
    same = [config.id2label.get(index) for index in range(config.num_labels)] == labels
    config.id2label, config.label2id = dict(enumerate(labels)), {label: index for index, label in enumerate(labels)}
    kind = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING[type(config)]
    model = load_weights(kind, folder, config, fresh=None if same else "classifier.")
    linear = linear_of(model)
    if not same:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(pure_seed(seed, "head"))
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
    return model


def linear_of(model: nn.Module) -> nn.Linear:
    """The head's one linear layer. Raises TrainerError 64 where there is another head."""
    linear = [module for module in model.classifier.modules() if isinstance(module, nn.Linear)]
    if len(linear) != 1 or linear[0].out_features != model.config.num_labels:
        raise bad_model(f"{type(model).__name__} has no head of one linear layer")
    return linear[0]


def read_pictures(path: Path, labels: list[str], stop: StopFlag, resume_from: str | None = None) -> list[tuple[Path, int]]:
    """Files and classes. Raises TrainerError 65 naming the first lines that are wrong."""
    classes = {label: index for index, label in enumerate(labels)}
    rows, problems, root = [], [], path.parent.resolve()
    with path.open("rb") as stream:
        for line_number, line in enumerate(stream, 1):
            if stop:
                raise Stopped(0, resume_from)
            where = f"{path.name}:{line_number}"
            try:
                row = json.loads(line)
                name, label = row["image"], row["label"]
            except (ValueError, KeyError, TypeError):
                problems.append(f"{where} is not a row of image and label")
                continue
            file = (root / name).resolve() if isinstance(name, str) and name else root
            if not file.is_relative_to(root) or not file.is_file():
                problems.append(f"{where} names no file of the data folder: {name!r}")
            elif not isinstance(label, str) or label not in classes:
                problems.append(f"{where} has the unknown label {label!r}")
            elif problem := unreadable(file):
                problems.append(f"{where} names no picture: {name!r} ({problem})")
            else:
                rows.append((file, classes[label]))
    refuse_rows(path, problems, len(rows))
    return rows


def unreadable(file: Path) -> str | None:
    try:
        with Image.open(file) as picture:
            return None if min(picture.size) > 0 else "it is empty"
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return type(error).__name__
