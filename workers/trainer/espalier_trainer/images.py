"""Pictures to tensors with Pillow, as `preprocessor_config.json` says; augmentation as a function of (seed, epoch, row)."""

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy
from PIL import Image, ImageOps

from .data import pure_seed
from .events import BAD_JOB, TrainerError

# More pixels than this decode to gigabytes: an error, where Pillow alone would only warn.
Image.MAX_IMAGE_PIXELS = 100_000_000
warnings.simplefilter("error", Image.DecompressionBombWarning)
BILINEAR = 2
CROP_RATIOS = (3 / 4, 4 / 3)
CROP_ATTEMPTS = 10


@dataclass(frozen=True)
class Preprocessing:
    """`height` × `width` is what the model sees. `shortest`: the shorter edge is resized to it before a centre crop;
    null: the picture is stretched to the whole size."""

    height: int
    width: int
    shortest: int | None
    resample: int
    scale: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def read_preprocessing(folder: Path) -> Preprocessing:
    """Raises TrainerError 64 for a file that is missing or says what we do not do."""
    path = folder / "preprocessor_config.json"
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        size = raw.get("size", 224)
        size = {"shortest_edge": size} if isinstance(size, int) else size
        crop = raw.get("crop_size")
        crop = {"height": crop, "width": crop} if isinstance(crop, int) else crop
        resample = int(raw.get("resample", BILINEAR))
        normalised = raw.get("do_normalize", True)
        mean, deviation = (raw["image_mean"], raw["image_std"]) if normalised else ([0.0] * 3, [1.0] * 3)
        scale = raw.get("rescale_factor", 1 / 255) if raw.get("do_rescale", True) else 1.0
        if not raw.get("do_resize", True):
            raise ValueError("do_resize is false: the pictures of a batch must have one size")
        if "shortest_edge" in size:
            edge = int(size["shortest_edge"])
            if raw.get("do_center_crop", False) and crop is not None:
                height, width, shortest = int(crop["height"]), int(crop["width"]), edge
            elif edge < 384 and ("crop_pct" in raw or "ConvNext" in str(raw.get("image_processor_type", raw.get("feature_extractor_type")))):
                # ResNet's and ConvNext's own way: only small sizes are cropped.
                height, width, shortest = edge, edge, int(edge / (raw.get("crop_pct") or 224 / 256))
            else:
                height, width, shortest = edge, edge, None
        else:
            height, width, shortest = int(size["height"]), int(size["width"]), None
        if len(mean) != 3 or len(deviation) != 3 or min(height, width, *deviation) <= 0 or (shortest or height) < 1:
            raise ValueError("size, image_mean and image_std must be positive and of three channels")
        resample = int(Image.Resampling(resample))
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "a model of images needs its preprocessor_config.json"
        raise TrainerError(BAD_JOB, f"preprocessor_config.json cannot be used: {error!r}", fix, kind="BadModel") from error
    return Preprocessing(height, width, shortest, resample, float(scale), tuple(map(float, mean)), tuple(map(float, deviation)))


def open_picture(path: Path | BinaryIO) -> Image.Image:
    """Upright, in RGB; transparency over white. Raises OSError or what Pillow raises for a file that is no picture."""
    with Image.open(path) as file:
        picture = ImageOps.exif_transpose(file)
        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            picture = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
        return picture.convert("RGB")


def prepare(picture: Image.Image, how: Preprocessing) -> numpy.ndarray:
    """float32 [3, height, width], without chance."""
    if how.shortest is None:
        return to_array(picture.resize((how.width, how.height), how.resample), how)
    width, height = picture.size
    ratio = how.shortest / min(width, height)
    resized = picture.resize((max(how.shortest, int(width * ratio)), max(how.shortest, int(height * ratio))), how.resample)
    left, top = (resized.width - how.width) // 2, (resized.height - how.height) // 2
    return to_array(resized.crop((left, top, left + how.width, top + how.height)), how)


def augment(picture: Image.Image, how: Preprocessing, augmentation: dict, seed: int, epoch: int, row: int) -> numpy.ndarray:
    """float32 [3, height, width]: a random crop (Szegedy et al. 2015, arXiv:1409.4842, §6: share of the area, ratio of
    3:4 to 4:3), resized, and a mirror image half of the time."""
    random = numpy.random.Generator(numpy.random.PCG64(pure_seed(seed, "augment", epoch, row)))
    flip, box = random.random() < 0.5, None
    if augmentation["minimumCropArea"] is not None:
        box = random_box(random, picture.width, picture.height, augmentation["minimumCropArea"])
    array = prepare(picture, how) if box is None else to_array(picture.resize((how.width, how.height), how.resample, box=box), how)
    return numpy.ascontiguousarray(array[:, :, ::-1]) if flip and augmentation["horizontalFlip"] else array


def random_box(random: numpy.random.Generator, width: int, height: int, least: float) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom; None when no box was found that fits: then the whole picture is taken."""
    for _ in range(CROP_ATTEMPTS):
        area = width * height * random.uniform(least, 1)
        ratio = math.exp(random.uniform(math.log(CROP_RATIOS[0]), math.log(CROP_RATIOS[1])))
        wide, high = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        left, top = random.random(), random.random()
        if 0 < wide <= width and 0 < high <= height:
            left, top = int(left * (width - wide + 1)), int(top * (height - high + 1))
            return left, top, left + wide, top + high
    return None


def to_array(picture: Image.Image, how: Preprocessing) -> numpy.ndarray:
    scaled = numpy.asarray(picture, numpy.float32) * numpy.float32(how.scale)
    normalised = (scaled - numpy.asarray(how.mean, numpy.float32)) / numpy.asarray(how.deviation, numpy.float32)
    return numpy.ascontiguousarray(normalised.transpose(2, 0, 1))
