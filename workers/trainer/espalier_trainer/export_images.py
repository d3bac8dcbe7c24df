"""Encoders and classifiers of pictures as ONNX: `pixel_values` float32 [batch, 3, height, width] in, `embedding` out, and
of a classifier `probabilities` and `logits`. A backbone is a model of transformers, or a graph that came as ONNX."""

import base64
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy
import torch
import transformers
from PIL import Image
from torch import nn
from torch.export import Dim

from .backbone import backbone_of, with_head
from .calibration import BATCH, LEAST_ROWS, fit_temperature
from .data import pure_seed
from .events import Events, Stopped
from .graphs import save_graph, save_model
from .guard import StopFlag
from .images import Preprocessing, open_picture, prepare, read_preprocessing
from .model import bad_model, known_config, load_weights, save_weights
from .tasks.image_classification import IMAGE_LORA_TARGETS, linear_of, load_image_classifier, read_pictures

PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
MOST_CALIBRATION_ROWS = 2000
# What preprocessing meets: larger and smaller than the model's own size, narrow, grey, transparent, of a palette.
PARITY_SHAPES = [(64, 48, "RGB"), (300, 220, "RGB"), (31, 97, "RGB"), (40, 40, "L"), (50, 30, "RGBA"), (33, 33, "P"), (1, 1, "RGB")]


def export_image_encoder(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/weights` (ready for training), `out/encoder` (ONNX) and `out/parity.json`. A folder that transformers cannot
    read as a model of ours, but that has a `model.onnx`, is a frozen backbone: its weights are that graph."""
    source, out = Path(task["model"]), Path(task["out"])
    how = read_preprocessing(source)
    if not is_stock(source) and (source / "model.onnx").is_file():
        return export_backbone(source, out, how, events, stop)
    config = known_config(source, IMAGE_LORA_TARGETS)
    kind = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING[type(config)]
    module = load_weights(kind, source, config, fresh="classifier.").eval()
    weights = out / "weights"
    weights.mkdir(parents=True)
    save_weights(module, weights)
    module.config.architectures = [type(module).__name__]
    module.config.to_json_file(weights / "config.json")  # without defaults: among them is the path it came from
    shutil.copyfile(source / PREPROCESSOR, weights / PREPROCESSOR)
    graph = ImageGraph(module).eval()
    about = {**about_images("encoder", source), "dimension": graph.dimension}
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    export(graph, ["embedding"], out / "encoder", about, how, stop)
    shutil.copyfile(source / PREPROCESSOR, out / "encoder" / PREPROCESSOR)
    write_parity(out, how, lambda pixels: {"embeddings": graph(pixels)})
    return {
        "weights": str(weights),
        "encoder": str(out / "encoder"),
        "parity": str(out / "parity.json"),
        "backbone": "transformers",
        "dimension": graph.dimension,
        "layers": depth_of(config),
        "parameters": sum(parameter.numel() for parameter in module.base_model.parameters()),
    }


def export_backbone(source: Path, out: Path, how: Preprocessing, events: Events, stop: StopFlag) -> dict:
    """The same for a graph: `out/weights` and `out/encoder` are one folder. What it said before is the Node side's to ask:
    no runtime for foreign graphs is here."""
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    found = backbone_of(source / "model.onnx", how.height, how.width)
    if stop:
        raise Stopped
    encoder = out / "encoder"
    save_model(found.model, encoder, {**about_images("encoder", source), "dimension": found.dimension})
    shutil.copyfile(source / PREPROCESSOR, encoder / PREPROCESSOR)
    write_parity(out, how, lambda pixels: {})
    return {
        "weights": str(encoder),
        "encoder": str(encoder),
        "parity": str(out / "parity.json"),
        "backbone": "onnx",
        "input": found.input,
        "output": found.output,
        "dimension": found.dimension,
        "layers": found.layers,
        "parameters": found.parameters,
    }


def export_image_classifier(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/classifier` and `out/parity.json` for a folder that `train` wrote, or that has a graph and its `head.json`; with
    `calibration`, rows by which the probabilities are calibrated (calibration.py)."""
    source, out = Path(task["model"]), Path(task["out"])
    try:
        trained = json.loads((source / "espalier.json").read_text(encoding="utf-8"))
        labels = trained["labels"]
        about = {**about_images("classifier", source), "labels": labels}
    except (OSError, ValueError, KeyError) as error:
        raise bad_model(f"the folder holds no trained classifier: espalier.json is unusable ({error})") from error
    folder, how = out / "classifier", read_preprocessing(source)
    events.emit("ready", device="cpu", threads=torch.get_num_threads())
    if trained.get("backbone") == "onnx":
        head = json.loads((source / "head.json").read_text(encoding="utf-8"))
        temperature = float(head["temperature"])
        weights, bias = (numpy.asarray(head[name], numpy.float64) / temperature for name in ("weights", "bias"))
        model, dimension = with_head(source / "model.onnx", weights.astype(numpy.float32), bias.astype(numpy.float32))
        if stop:
            raise Stopped
        save_model(model, folder, {**about, "dimension": dimension})
        write_parity(out, how, lambda pixels: {})
    else:
        # Its own head and labels are already those of espalier.json: nothing is drawn.
        config = known_config(source, IMAGE_LORA_TARGETS)
        module = load_image_classifier(source, config, labels, 0).eval()
        temperature = 1.0
        if calibration := task.get("calibration"):
            temperature = calibrate_images(module, Path(calibration), labels, how, stop)
        graph = ImageGraph(module, with_head=True).eval()
        export(graph, ["probabilities", "logits", "embedding"], folder, {**about, "dimension": graph.dimension}, how, stop)
        write_parity(out, how, lambda pixels: {"probabilities": graph(pixels)[0]})
    shutil.copyfile(source / PREPROCESSOR, folder / PREPROCESSOR)
    return {"classifier": str(folder), "parity": str(out / "parity.json"), "temperature": temperature}


@torch.no_grad()
def calibrate_images(module: nn.Module, path: Path, labels: list[str], how: Preprocessing, stop: StopFlag) -> float:
    """As `calibration.calibrate` does for texts: the head is divided by the fitted temperature."""
    rows = read_pictures(path, labels, stop)[:MOST_CALIBRATION_ROWS]
    if len(rows) < LEAST_ROWS:
        return 1.0
    logits = []
    for start in range(0, len(rows), BATCH):
        if stop:
            raise Stopped
        pixels = numpy.stack([prepare(open_picture(file), how) for file, _ in rows[start : start + BATCH]])
        logits.append(module(pixel_values=torch.from_numpy(pixels)).logits)
    temperature = fit_temperature(torch.cat(logits), torch.tensor([target for _, target in rows]))
    linear = linear_of(module)
    linear.weight /= temperature
    linear.bias /= temperature
    return temperature


class ImageGraph(nn.Module):
    """The embedding is what the head's linear layer is given: pooled features of a convolutional network, a transformer's class token."""

    def __init__(self, module: nn.Module, with_head: bool = False):
        super().__init__()
        self.head = module.classifier if with_head else None
        self.dimension = linear_of(module).in_features
        module.classifier = nn.Flatten(1)
        self.module = module

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        embedding = self.module(pixel_values=pixel_values).logits
        if self.head is None:
            return embedding
        logits = self.head(embedding)
        return logits.softmax(-1), logits, embedding


def is_stock(source: Path) -> bool:
    if not (source / WEIGHTS).is_file():
        return False
    try:
        return json.loads((source / "config.json").read_text(encoding="utf-8")).get("model_type") in IMAGE_LORA_TARGETS
    except (OSError, ValueError, AttributeError):
        return False


def depth_of(config: transformers.PretrainedConfig) -> int:
    """Blocks, where the configuration counts them; 0 where it does not."""
    depths = getattr(config, "depths", None)
    return sum(depths) if depths else getattr(config, "num_hidden_layers", None) or 0


def about_images(kind: str, source: Path) -> dict:
    processor = json.loads((source / PREPROCESSOR).read_text(encoding="utf-8"))
    return {"kind": kind, "input": "image", "inputs": ["pixel_values"], "processor": processor}


def export(graph: nn.Module, outputs: list[str], folder: Path, about: dict, how: Preprocessing, stop: StopFlag) -> None:
    sample = {"pixel_values": torch.zeros(2, 3, how.height, how.width)}
    save_graph(graph, sample, {"pixel_values": {0: Dim("batch", min=1)}}, outputs, folder, about, stop)


@torch.no_grad()
def write_parity(out: Path, how: Preprocessing, say) -> None:
    """Pictures as files, and what PyTorch says to them after Pillow's preprocessing: the Node side decodes, prepares and
    runs them itself and compares."""
    files = parity_pictures()
    pixels = torch.from_numpy(numpy.stack([prepare(open_picture(io.BytesIO(file)), how) for file in files]))
    values = {name: value.tolist() for name, value in say(pixels).items()}
    parity = {"pictures": [base64.b64encode(file).decode("ascii") for file in files], **values}
    (out / "parity.json").write_text(json.dumps(parity, allow_nan=False) + "\n", encoding="utf-8")


def parity_pictures() -> Sequence[bytes]:
    """PNG files: waves with a little noise, the same every time."""
    return [parity_picture(index, *shape) for index, shape in enumerate(PARITY_SHAPES)]


def parity_picture(index: int, width: int, height: int, mode: str) -> bytes:
    random = numpy.random.Generator(numpy.random.PCG64(pure_seed(7, "parity", index)))
    channels = {"L": 1, "RGBA": 4}.get(mode, 3)
    y, x = numpy.mgrid[0:height, 0:width][..., None]
    waves = 127 + 100 * numpy.sin(x / random.uniform(3, 30, channels) + y / random.uniform(3, 30, channels))
    values = numpy.clip(waves + random.normal(0, 12, (height, width, channels)), 0, 255).astype(numpy.uint8)
    picture = Image.fromarray(values.squeeze(-1) if channels == 1 else values)
    if mode == "P":
        picture = picture.quantize(16)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()
