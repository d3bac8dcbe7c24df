"""Pictures of many kinds into a folder, and what Python sees in them: `NAME.rgb` (the trainer's upright RGB) and
`NAME.PROCESSOR.f32` (the trainer's and transformers' pixel values, which must be the same bytes). Prints `{"pictures": {name: [width, height]}, "different": [...]}`."""

import json
import sys
from pathlib import Path

import numpy
from espalier_trainer.images import open_picture, prepare, read_preprocessing
from PIL import Image
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import MobileNetV2ImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

KINDS = {"ConvNextImageProcessor": ConvNextImageProcessorPil, "MobileNetV2ImageProcessor": MobileNetV2ImageProcessorPil, "ViTImageProcessor": ViTImageProcessorPil}
random = numpy.random.default_rng(1)


def scene(width: int, height: int) -> Image.Image:
    y, x = numpy.mgrid[0:height, 0:width][..., None]
    waves = 127 + 100 * numpy.sin(x / random.uniform(3, 30, 3) + y / random.uniform(3, 30, 3))
    return Image.fromarray(numpy.clip(waves + random.normal(0, 25, (height, width, 3)), 0, 255).astype(numpy.uint8))


def write(folder: Path) -> None:
    rgb = scene(53, 37)
    grey, palette, alpha = rgb.convert("L"), rgb.quantize(32), rgb.copy()
    alpha.putalpha(Image.fromarray(random.integers(0, 256, (37, 53), dtype=numpy.uint8)))
    for width, height in ((53, 37), (1, 1), (400, 3), (7, 301), (640, 480), (224, 224), (256, 300)):
        scene(width, height).save(folder / f"rgb-{width}x{height}.png")
    rgb.save(folder / "444.jpg", quality=90, subsampling=0)
    rgb.save(folder / "420.jpg", quality=60)
    rgb.save(folder / "422.jpg", quality=75, subsampling=1)
    scene(641, 479).save(folder / "progressive.jpg", progressive=True)
    grey.save(folder / "grey.jpg")
    grey.save(folder / "grey.png")
    rgb.convert("1").save(folder / "bits.png")
    palette.save(folder / "palette.png")
    palette.save(folder / "palette-clear.png", transparency=bytes(range(0, 256, 8)))
    rgb.save(folder / "key.png", transparency=rgb.getpixel((0, 0)))
    grey.save(folder / "grey-key.png", transparency=100)
    alpha.save(folder / "alpha.png")
    alpha.convert("LA").save(folder / "grey-alpha.png")
    alpha.save(folder / "alpha.webp")
    rgb.save(folder / "lossy.webp", quality=70)
    rgb.save(folder / "lossless.webp", lossless=True)
    rgb.save(folder / "animated.webp", save_all=True, append_images=[alpha], lossless=True)
    palette.save(folder / "animated.gif", save_all=True, append_images=[rgb.quantize(16)])
    palette.save(folder / "clear.gif", transparency=3)
    rgb.save(folder / "plain.tif")
    rgb.save(folder / "deflated.tif", compression="tiff_adobe_deflate")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        for ending in ("jpg", "png", "webp", "tif"):
            rgb.save(folder / f"turned-{orientation}.{ending}", exif=exif)
    rgb.convert("CMYK").save(folder / "other-cmyk.jpg", quality=95)
    Image.fromarray(random.integers(0, 65536, (37, 53)).astype(numpy.uint16)).save(folder / "other-deep.png")


def main(folder: Path, processors: Path) -> None:
    write(folder)
    answer = {"pictures": {}, "different": []}
    files = sorted(file for file in folder.iterdir() if not file.name.startswith("other-"))
    hows = {path.name: (read_preprocessing(path), config, KINDS[config["image_processor_type"]](**config)) for path in sorted(processors.iterdir()) for config in [json.loads((path / "preprocessor_config.json").read_text())]}
    for file in files:
        picture = open_picture(file)
        answer["pictures"][file.name] = picture.size
        (folder / f"{file.name}.rgb").write_bytes(numpy.asarray(picture).tobytes())
        for name, (how, _, processor) in hows.items():
            ours = prepare(picture, how)
            if file.stem != "rgb-1x1":  # transformers cannot tell whether 1 × 1 has its channels first
                theirs = processor(picture, return_tensors="np")["pixel_values"][0]
                if theirs.tobytes() != ours.tobytes():
                    answer["different"].append([file.name, name, float(numpy.abs(ours - theirs).max()) if ours.shape == theirs.shape else -1])
            (folder / f"{file.name}.{name}.f32").write_bytes(ours.tobytes())
    print(json.dumps(answer))


main(Path(sys.argv[1]), Path(sys.argv[2]))
