"""How a model of pictures holds against pictures that somebody changes on purpose who knows its weights: by one step
along the sign of the gradient (FGSM, Goodfellow, Shlens and Szegedy, arXiv:1412.6572, §4), and by several from a random
start, each projected back (PGD, Madry et al., arXiv:1706.06083, §2.1). No pixel moves by more than ε. Answers only; what
they mean is for the step that asked.

Pixels are float32 levels from 0 to 255, [batch, 3, height, width], of the picture as the model sees it, resized and
cropped: what is added is bounded there, and the gradient goes through the normalisation.

Of a classifier the loss is the cross-entropy. Of a model whose embedding asks a gallery it is how much nearer the nearest
entry of another label is than the nearest of the picture's own, and the answer is the label of the nearest: matched pairs
are driven apart and unmatched ones together ("deep mis-ranking", Wang et al., CVPR 2020, arXiv:2004.04199; Zhou and Patel,
CVPR 2022, arXiv:2203.01439, measure recall@1 by it)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy
import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional

from .data import pure_seed, refuse_rows
from .device import make_deterministic
from .events import Events, Stopped, Told, TrainerError
from .export_images import ImageGraph
from .guard import StopFlag
from .images import Preprocessing, open_picture, read_preprocessing, resized
from .model import bad_model, known_config, load_weights
from .tasks.image_classification import IMAGE_LORA_TARGETS, load_image_classifier, read_pictures

HIGHEST = 255.0
# Small enough for the activations of a large model; fixed, since another batch rounds otherwise.
BATCH = 16

# No cosine is lower: what is not to be found.
NOWHERE = -2.0

Scores = Callable[[Tensor], Tensor]
# Of each row's scores and its class.
Losses = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(logits, targets, reduction="none")


def attack_classifier(task: dict, events: Events, stop: StopFlag) -> dict:
    """`out/attacked.jsonl`: a line a row, the labels that are predicted without an attack and under each:
    `{label, clean, fgsm, pgd, gradient}`. `gradient` is false where no pixel changes the loss: nothing was attacked then."""
    source = Path(task["model"])
    labels, how = trained_labels(source), read_preprocessing(source)
    on_processor(task)
    config = known_config(source, IMAGE_LORA_TARGETS)
    module = load_image_classifier(source, config, labels, 0)
    module.eval().requires_grad_(False)
    classify = of_levels(lambda pixels: module(pixel_values=pixels).logits, how)
    rows = read_pictures(Path(task["rows"]), labels, stop)
    asked = Asked(labels, list(range(len(labels))), cross_entropy, lambda some: classify)
    return attack_rows(task, rows, how, asked, events, stop)


def attack_embedder(task: dict, events: Events, stop: StopFlag) -> dict:
    """The same of a model whose embeddings are `vectors` (float32 [rows, dimension], of length 1), with a label each in
    `gallery`: a label is that of the nearest entry but the one that a row's `except` names."""
    source = Path(task["model"])
    how = read_preprocessing(source)
    on_processor(task)
    graph = ImageGraph(load_embedder(source)).eval().requires_grad_(False)
    embed = of_levels(graph, how)
    gallery = read_gallery(Path(task["vectors"]), Path(task["gallery"]), graph.dimension)
    rows = read_pictures(Path(task["rows"]), gallery.labels, stop)
    left_out = read_left_out(Path(task["rows"]), rows, gallery)

    def scores(some: range) -> Scores:
        return lambda levels: gallery.similarities(embed(levels), left_out[some.start : some.stop])

    asked = Asked(gallery.labels, gallery.classes.tolist(), gallery.losses, scores)
    return attack_rows(task, rows, how, asked, events, stop)


@dataclass(frozen=True)
class Asked:
    """What a model says of pictures: scores by which the highest answers, `classes` (of `labels`) that those stand for, the
    loss of a row's scores, and the scores of some of the rows."""

    labels: list[str]
    classes: list[int]
    losses: Losses
    scores_of: Callable[[range], Scores]


def attack_rows(task: dict, rows: list[tuple[Path, int]], how: Preprocessing, asked: Asked, events: Events, stop: StopFlag) -> dict:
    out = Path(task["out"])
    out.mkdir(parents=True, exist_ok=True)
    attack = Attack(task["epsilonLevels"], task["steps"], task["stepLevels"])
    events.emit("ready", device="cpu", threads=task["threads"])
    told = Told(events)
    with (out / "attacked.jsonl").open("w", encoding="utf-8") as stream:
        for first in range(0, len(rows), BATCH):
            if stop:
                raise Stopped
            some = rows[first : first + BATCH]
            levels = torch.from_numpy(numpy.stack([levels_of(file, how) for file, _ in some]))
            targets = torch.tensor([target for _, target in some])
            starts = numpy.stack([random_start(task["seed"], first + place, levels.shape[1:], attack.epsilon) for place in range(len(some))])
            scores = asked.scores_of(range(first, first + len(some)))
            lines = answers(scores, levels, targets, torch.from_numpy(starts), attack, stop, asked.losses)
            for (_, target), line in zip(some, lines, strict=True):
                said = {key: asked.labels[asked.classes[value]] for key, value in line.items() if key != "gradient"}
                stream.write(json.dumps({"label": asked.labels[target], **said, "gradient": line["gradient"]}, ensure_ascii=False) + "\n")
            told.say("attack", first + len(some), len(rows))
    return {"attacked": str(out / "attacked.jsonl")}


@dataclass(frozen=True)
class Attack:
    """ε and the length of a step of PGD, both in levels of 255."""

    epsilon: float
    steps: int
    step: float


def answers(
    scores: Scores, levels: Tensor, targets: Tensor, starts: Tensor, attack: Attack, stop: StopFlag, losses: Losses = cross_entropy
) -> list[dict]:
    """Places of the highest score, row by row."""
    with torch.no_grad():
        clean = scores(levels).argmax(-1)
    gradient = ascent(scores, levels, targets, losses)
    one = within(levels + attack.epsilon * gradient.sign(), levels, attack.epsilon)
    several = projected_descent(scores, levels, targets, starts, attack, stop, losses)
    with torch.no_grad():
        said = {"clean": clean, "fgsm": scores(one).argmax(-1), "pgd": scores(several).argmax(-1)}
    # Along what is no number nothing is moved either.
    moved = (gradient.isfinite() & gradient.ne(0)).flatten(1).any(1)
    return [{**{key: int(value[row]) for key, value in said.items()}, "gradient": bool(moved[row])} for row in range(len(levels))]


def projected_descent(
    scores: Scores, levels: Tensor, targets: Tensor, starts: Tensor, attack: Attack, stop: StopFlag, losses: Losses = cross_entropy
) -> Tensor:
    """Uphill: what the paper calls descent is on the negative loss."""
    pixels = within(levels + starts, levels, attack.epsilon)
    for _ in range(attack.steps):
        if stop:
            raise Stopped
        pixels = within(pixels + attack.step * ascent(scores, pixels, targets, losses).sign(), levels, attack.epsilon)
    return pixels


def ascent(scores: Scores, pixels: Tensor, targets: Tensor, losses: Losses = cross_entropy) -> Tensor:
    """The gradient of each row's loss by its own pixels: rows do not meet in a model that is not training."""
    pixels = pixels.detach().requires_grad_()
    return torch.autograd.grad(losses(scores(pixels), targets).sum(), pixels)[0]


def within(pixels: Tensor, levels: Tensor, epsilon: float) -> Tensor:
    """The nearest pictures, in the largest norm, that are pictures at all."""
    return torch.clamp(pixels, (levels - epsilon).clamp(min=0), (levels + epsilon).clamp(max=HIGHEST))


def random_start(seed: int, row: int, shape: torch.Size, epsilon: float) -> numpy.ndarray:
    """Uniform in the box; a function of (seed, row), whatever batch the row is in."""
    random = numpy.random.Generator(numpy.random.PCG64(pure_seed(seed, "pgd", row)))
    return random.uniform(-epsilon, epsilon, tuple(shape)).astype(numpy.float32)


def of_levels(model: Scores, how: Preprocessing) -> Scores:
    """The model with its preprocessing before it, so that gradients are those of pixels."""
    mean, deviation = (torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1) for values in (how.mean, how.deviation))
    return lambda levels: model((levels * how.scale - mean) / deviation)


def on_processor(task: dict) -> None:
    """The same bytes whatever else the machine has."""
    make_deterministic(task["threads"], torch.device("cpu"))


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
        raise no_gradients()
    return labels


@dataclass(frozen=True)
class Gallery:
    """`vectors` float32 [rows, dimension], of length 1; `classes` int64 [rows], of `labels`."""

    vectors: Tensor
    classes: Tensor
    labels: list[str]

    def similarities(self, embeddings: Tensor, left_out: list[int | None]) -> Tensor:
        """[batch, rows], cosines."""
        found = functional.normalize(embeddings, dim=-1) @ self.vectors.T
        absent = torch.zeros_like(found, dtype=torch.bool)
        for row, place in enumerate(left_out):
            if place is not None:
                absent[row, place] = True
        return found.masked_fill(absent, NOWHERE)

    def losses(self, similarities: Tensor, targets: Tensor) -> Tensor:
        """Of the nearest entry of another label over the nearest of the own one: above 0 where the answer is wrong."""
        own = self.classes == targets[:, None]
        return similarities.masked_fill(own, NOWHERE).amax(-1) - similarities.masked_fill(~own, NOWHERE).amax(-1)


def read_gallery(vectors: Path, gallery: Path, dimension: int) -> Gallery:
    """Raises TrainerError 64 where vectors and labels are not as many, or of another width than the model's."""
    # By line feeds alone: a label may have what text counts as the end of a line, too (U+2028, U+0085).
    with gallery.open("rb") as stream:
        named = [json.loads(line)["label"] for line in stream]
    values = numpy.fromfile(vectors, "<f4")
    if not named or values.size != len(named) * dimension:
        raise bad_model(f"{vectors.name} has {values.size} numbers: {len(named)} entries of this model have {len(named) * dimension}")
    labels = list(dict.fromkeys(named))
    places = {label: place for place, label in enumerate(labels)}
    return Gallery(torch.from_numpy(values.reshape(len(named), dimension)), torch.tensor([places[label] for label in named]), labels)


def read_left_out(path: Path, rows: list[tuple[Path, int]], gallery: Gallery) -> list[int | None]:
    """Each row's own place in the gallery. Raises TrainerError 65 for one that is none, or that leaves nothing to find."""
    counts = torch.bincount(gallery.classes, minlength=len(gallery.labels)).tolist()
    found, problems = [], []
    with path.open("rb") as stream:
        for number, (line, (_, target)) in enumerate(zip(stream, rows, strict=True), 1):
            place = json.loads(line).get("except")
            if place is not None and not (type(place) is int and 0 <= place < len(gallery.classes)):
                problems.append(f"{path.name}:{number} leaves out {place!r}, which is no entry of the gallery")
            elif counts[target] - (place is not None and int(gallery.classes[place]) == target) < 1:
                problems.append(f"{path.name}:{number} has nothing of its label to find")
            found.append(place)
    refuse_rows(path, problems, len(found))
    return found


def load_embedder(source: Path) -> nn.Module:
    """What `export-encoder` or `train` wrote, with whatever head. Raises TrainerError 64 for a graph."""
    if not (source / "model.safetensors").is_file() and (source / "model.onnx").is_file():
        raise no_gradients()
    config = known_config(source, IMAGE_LORA_TARGETS)
    kind = transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING[type(config)]
    return load_weights(kind, source, config, fresh="classifier.")


def no_gradients() -> TrainerError:
    return bad_model("the backbone is a graph (model.onnx), and a graph has no gradients to attack by", "choose a candidate with weights of an architecture of ours")
