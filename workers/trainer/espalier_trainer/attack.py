"""How a classifier of pictures holds against pictures that somebody changes on purpose who knows its weights: by one step
along the sign of the gradient (FGSM, Goodfellow, Shlens and Szegedy, arXiv:1412.6572, §4), and by several from a random
start, each projected back (PGD, Madry et al., arXiv:1706.06083, §2.1). No pixel moves by more than ε. Answers only; what
they mean is for the step that asked.

Pixels are float32 levels from 0 to 255, [batch, 3, height, width], of the picture as the model sees it, resized and
cropped: what is added is bounded there, and the gradient goes through the normalisation."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
from torch import Tensor, nn
from torch.nn import functional

from .data import pure_seed
from .device import make_deterministic
from .events import Events, Stopped, Told
from .guard import StopFlag
from .images import Preprocessing, open_picture, read_preprocessing, resized
from .model import bad_model, known_config
from .tasks.image_classification import IMAGE_LORA_TARGETS, load_image_classifier, read_pictures

HIGHEST = 255.0
# Small enough for the activations of a large model; fixed, since another batch rounds otherwise.
BATCH = 16

Logits = Callable[[Tensor], Tensor]


def attack_classifier(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/attacked.jsonl`: a line a row, the labels that are predicted without an attack and under each:
    `{label, clean, fgsm, pgd, gradient}`. `gradient` is false where no pixel changes the loss: nothing was attacked then."""
    source, out = Path(task["model"]), Path(task["out"])
    labels, how = trained_labels(source), read_preprocessing(source)
    out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cpu")  # the same bytes whatever else the machine has
    make_deterministic(task["threads"], device)
    config = known_config(source, IMAGE_LORA_TARGETS)
    classify = of_levels(load_image_classifier(source, config, labels, 0).eval().requires_grad_(False), how)
    rows = read_pictures(Path(task["rows"]), labels, stop)
    attack = Attack(task["epsilonLevels"], task["steps"], task["stepLevels"])
    events.emit("ready", device=device.type, threads=task["threads"])
    told = Told(events)
    with (out / "attacked.jsonl").open("w", encoding="utf-8") as stream:
        for first in range(0, len(rows), BATCH):
            if stop:
                raise Stopped
            some = rows[first : first + BATCH]
            levels = torch.from_numpy(numpy.stack([levels_of(file, how) for file, _ in some]))
            targets = torch.tensor([target for _, target in some])
            starts = numpy.stack([random_start(task["seed"], first + place, levels.shape[1:], attack.epsilon) for place in range(len(some))])
            for line in answers(classify, levels, targets, torch.from_numpy(starts), attack, stop):
                named = {key: labels[value] for key, value in line.items() if key != "gradient"}
                stream.write(json.dumps({**named, "gradient": line["gradient"]}, ensure_ascii=False) + "\n")
            told.say("attack", first + len(some), len(rows))
    return {"attacked": str(out / "attacked.jsonl")}


@dataclass(frozen=True)
class Attack:
    """ε and the length of a step of PGD, both in levels of 255."""

    epsilon: float
    steps: int
    step: float


def answers(classify: Logits, levels: Tensor, targets: Tensor, starts: Tensor, attack: Attack, stop: StopFlag) -> list[dict]:
    """Classes, row by row."""
    with torch.no_grad():
        clean = classify(levels).argmax(-1)
    gradient = ascent(classify, levels, targets)
    one = within(levels + attack.epsilon * gradient.sign(), levels, attack.epsilon)
    several = projected_descent(classify, levels, targets, starts, attack, stop)
    with torch.no_grad():
        said = {"label": targets, "clean": clean, "fgsm": classify(one).argmax(-1), "pgd": classify(several).argmax(-1)}
    # Along what is no number nothing is moved either.
    moved = (gradient.isfinite() & gradient.ne(0)).flatten(1).any(1)
    return [{**{key: int(value[row]) for key, value in said.items()}, "gradient": bool(moved[row])} for row in range(len(levels))]


def projected_descent(classify: Logits, levels: Tensor, targets: Tensor, starts: Tensor, attack: Attack, stop: StopFlag) -> Tensor:
    """Uphill: what the paper calls descent is on the negative loss."""
    pixels = within(levels + starts, levels, attack.epsilon)
    for _ in range(attack.steps):
        if stop:
            raise Stopped
        pixels = within(pixels + attack.step * ascent(classify, pixels, targets).sign(), levels, attack.epsilon)
    return pixels


def ascent(classify: Logits, pixels: Tensor, targets: Tensor) -> Tensor:
    """The gradient of each row's cross-entropy by its own pixels: rows do not meet in a model that is not training."""
    pixels = pixels.detach().requires_grad_()
    loss = functional.cross_entropy(classify(pixels), targets, reduction="sum")
    return torch.autograd.grad(loss, pixels)[0]


def within(pixels: Tensor, levels: Tensor, epsilon: float) -> Tensor:
    """The nearest pictures, in the largest norm, that are pictures at all."""
    return torch.clamp(pixels, (levels - epsilon).clamp(min=0), (levels + epsilon).clamp(max=HIGHEST))


def random_start(seed: int, row: int, shape: torch.Size, epsilon: float) -> numpy.ndarray:
    """Uniform in the box; a function of (seed, row), whatever batch the row is in."""
    random = numpy.random.Generator(numpy.random.PCG64(pure_seed(seed, "pgd", row)))
    return random.uniform(-epsilon, epsilon, tuple(shape)).astype(numpy.float32)


def of_levels(module: nn.Module, how: Preprocessing) -> Logits:
    """The model with its preprocessing before it, so that gradients are those of pixels."""
    mean, deviation = (torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1) for values in (how.mean, how.deviation))
    return lambda levels: module(pixel_values=(levels * how.scale - mean) / deviation).logits


def levels_of(file: Path, how: Preprocessing) -> numpy.ndarray:
    return numpy.asarray(resized(open_picture(file), how), numpy.float32).transpose(2, 0, 1)


def trained_labels(source: Path) -> list[str]:
    """Raises TrainerError 64 for a folder without a trained classifier, or with one whose backbone is a graph."""
    try:
        trained = json.loads((source / "espalier.json").read_text(encoding="utf-8"))
        labels = trained["labels"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise bad_model(f"the folder holds no trained classifier: espalier.json is unusable ({error})") from error
    if trained.get("backbone") == "onnx":
        raise bad_model("the backbone is a graph (model.onnx), and a graph has no gradients to attack by", "choose a candidate with weights of an architecture of ours")
    return labels
