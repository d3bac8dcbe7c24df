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
BILINEAR, BICUBIC = 2, 3
# Lanczos, bilinear, bicubic, box: what Node's resampling knows, too.
FILTERS = (1, 2, 3, 4)
# Whatever of these a file asks for, the numbers would be others.
NOT_DONE = ("do_pad", "do_flip_channel_order", "rescale_offset", "do_thumbnail", "do_align_long_axis")
CROP_RATIOS = (3 / 4, 4 / 3)
CROP_ATTEMPTS = 10


@dataclass(frozen=True)
class Preprocessing:
    """`height` × `width` is what the model sees, cropped from the centre. `shortest`: the shorter edge is resized to it;
    null: the picture is stretched to `stretched`, height and width. Node reads it the same way (inference/image/processor.ts)."""

    height: int
    width: int
    shortest: int | None
    stretched: tuple[int, int] | None
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
        processor = str(raw.get("image_processor_type") or raw.get("feature_extractor_type"))
        conv_next = "crop_pct" in raw or "convnext" in processor.lower()
        resample = raw.get("resample")
        resample = (BICUBIC if conv_next else BILINEAR) if resample is None else int(resample)
        normalised = raw.get("do_normalize", True)
        mean, deviation = (raw["image_mean"], raw["image_std"]) if normalised else ([0.0] * 3, [1.0] * 3)
        scale = raw.get("rescale_factor", 1 / 255) if raw.get("do_rescale", True) else 1.0
        if not raw.get("do_resize", True):
            raise ValueError("do_resize is false: the pictures of a batch must have one size")
        if undone := [name for name in NOT_DONE if raw.get(name)]:
            raise ValueError(f"{undone[0]} is not done here")
        cropped = bool(raw.get("do_center_crop", False)) and crop is not None
        stretched = None
        if "shortest_edge" in size:
            edge = int(size["shortest_edge"])
            if size.get("longest_edge") is not None:
                raise ValueError("size.longest_edge: the pictures of a batch must have one size")
            if cropped:
                height, width, shortest = int(crop["height"]), int(crop["width"]), edge
            elif edge < 384 and conv_next:
                # ResNet's and ConvNext's own way: only small sizes are cropped.
                height, width, shortest = edge, edge, int(edge / (raw.get("crop_pct") or 224 / 256))
            else:
                height, width, shortest, stretched = edge, edge, None, (edge, edge)
        else:
            stretched, shortest = (int(size["height"]), int(size["width"])), None
            height, width = (int(crop["height"]), int(crop["width"])) if cropped else stretched
        if len(mean) != 3 or len(deviation) != 3 or min(height, width, *deviation, *(stretched or (shortest,))) <= 0:
            raise ValueError("size, image_mean and image_std must be positive and of three channels")
        if resample not in FILTERS:
            raise ValueError(f"resample is {resample}: only 1 to 4 are known")
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "a model of images needs its preprocessor_config.json"
        raise TrainerError(BAD_JOB, f"preprocessor_config.json cannot be used: {error!r}", fix, kind="BadModel") from error
    return Preprocessing(height, width, shortest, stretched, resample, float(scale), tuple(map(float, mean)), tuple(map(float, deviation)))


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
    return to_array(resized(picture, how), how)


def resized(picture: Image.Image, how: Preprocessing) -> Image.Image:
    """`height` × `width`: what the model sees, before it is made numbers of."""
    width, height = picture.size
    if how.stretched is not None:
        size = how.stretched[1], how.stretched[0]
    elif width <= height:
        size = how.shortest, int(how.shortest * height / width)
    else:
        size = int(how.shortest * width / height), how.shortest
    whole = picture.resize(size, how.resample)
    left, top = (whole.width - how.width) // 2, (whole.height - how.height) // 2
    if (left, top) != (0, 0) or whole.size != (how.width, how.height):
        return whole.crop((left, top, left + how.width, top + how.height))
    return whole


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
    """What each level of each channel becomes is looked up: the same numbers as transformers' processors compute pixel by pixel."""
    scaled = (numpy.arange(256, dtype=numpy.float64) * how.scale).astype(numpy.float32)
    pixels = numpy.asarray(picture)
    values = numpy.empty((3, *pixels.shape[:2]), numpy.float32)
    for channel in range(3):
        levels = (scaled - numpy.float32(how.mean[channel])) / numpy.float32(how.deviation[channel])
        values[channel] = levels[pixels[..., channel]]
    return values
