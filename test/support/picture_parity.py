"""Pictures of many kinds into a folder, beside those that lie there, and what Python sees in them: `NAME.rgb` (the trainer's
upright RGB) and `NAME.PROCESSOR.f32` (the trainer's and transformers' pixel values, which must be the same bytes). Of what
Pillow misreads it is what it sees in the same levels in a form that it reads (`twins/NAME`), and `NAME.misread` what it makes of
the file itself. What Node refuses by its colours goes beside them (`unread/NAME`). Prints `{"pictures": {name: [width, height]}, "different": [...], "misread": [name, ...]}`."""

import json
import struct
import sys
import zlib
from io import BytesIO
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


def deep_png(levels: numpy.ndarray, clear: numpy.ndarray | None = None) -> bytes:
    """Of 16 bits, with 1 (grey), 2 (grey, alpha), 3 or 4 channels; `clear`: levels that are transparent. Pillow writes grey alone."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = levels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, (0, 4, 2, 6)[channels - 1], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    key = b"" if clear is None else chunk(b"tRNS", clear.astype(">u2").tobytes())
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + key + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def plain_tiff(levels: numpy.ndarray, photometric: int, extra: int | None = None) -> bytes:
    """Not compressed, one strip, at least three channels; `extra`: what the last of them is (TIFF 6.0, ExtraSamples)."""
    height, width, channels = levels.shape
    data, extras = levels.astype(levels.dtype.newbyteorder("<")).tobytes(), [] if extra is None else [(338, 3, 1, extra)]
    depths_at = 8 + 2 + 12 * (9 + len(extras)) + 4
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, channels, depths_at), (259, 3, 1, 1), (262, 3, 1, photometric), (273, 4, 1, depths_at + 2 * channels), (277, 3, 1, channels), (278, 4, 1, height), (279, 4, 1, len(data)), *extras]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack(f"<{channels}H", *[levels.itemsize * 8] * channels) + data


def write_inks(folder: Path) -> None:
    """CMYK and YCCK: what Pillow writes, in Adobe's manner (inverted); the same codes read as YCCK, and with nothing said of them."""
    waves = numpy.concatenate([numpy.asarray(scene(53, 37)), numpy.asarray(scene(53, 37))[..., :1]], axis=2)
    inks = Image.frombytes("CMYK", (53, 37), waves.tobytes())
    scene(53, 37).convert("CMYK").save(folder / "cmyk-of-rgb.jpg", quality=95)
    for quality, subsampling in ((50, 2), (95, 1), (100, 0)):
        file = BytesIO()
        inks.save(file, "JPEG", quality=quality, subsampling=subsampling)
        coded = file.getvalue()
        marker = coded.index(b"\xff\xee\0\x0eAdobe")
        (folder / f"cmyk-{quality}.jpg").write_bytes(coded)
        (folder / f"ycck-{quality}.jpg").write_bytes(coded[: marker + 15] + b"\2" + coded[marker + 16 :])
        (folder / f"cmyk-untold-{quality}.jpg").write_bytes(coded[:marker] + coded[marker + 16 :])
    inks.save(folder / "cmyk-progressive.jpg", progressive=True)
    inks.save(folder / "cmyk.tif")
    (folder / "cmyk-more.tif").write_bytes(plain_tiff(random.integers(0, 256, (37, 53, 5)).astype(numpy.uint8), 5, 0))
    (folder / "cmyk-deep.tif").write_bytes(plain_tiff(deep(4), 5))
    every = numpy.arange(65536, dtype=numpy.uint16).reshape(256, 256)
    (folder / "cmyk-every-level.tif").write_bytes(plain_tiff(numpy.stack([every, every.T, every[::-1], every[:, ::-1]], axis=2), 5))
    for orientation in (3, 5, 6):
        exif = Image.Exif()
        exif[0x112] = orientation
        inks.save(folder / f"cmyk-turned-{orientation}.jpg", exif=exif)


def deep(channels: int) -> numpy.ndarray:
    return random.integers(0, 65536, (37, 53, channels)).astype(numpy.uint16)


def write_deep(folder: Path, twins: Path) -> None:
    """Of 16 bits a channel. Pillow takes the high byte, but cuts grey alone at 255, and compares the transparent colour with 8 bits."""
    for name, channels in (("grey-alpha", 2), ("rgb", 3), ("alpha", 4)):
        (folder / f"deep-{name}.png").write_bytes(deep_png(deep(channels)))
    (folder / "deep-rgb.tif").write_bytes(plain_tiff(deep(3), 2))
    (folder / "deep-alpha.tif").write_bytes(plain_tiff(deep(4), 2, 2))
    twins.mkdir()
    grey, rgb = deep(1), deep(3)
    dark, clear = grey >> 8, rgb[5, 7]
    for name, levels in (("deep-grey", grey), ("deep-grey-dark", dark)):
        (folder / f"{name}.png").write_bytes(deep_png(levels))
        (twins / f"{name}.png").write_bytes(deep_png(levels.repeat(3, axis=2)))
    Image.fromarray(grey[..., 0]).save(folder / "deep-grey.tif")
    (twins / "deep-grey.tif").write_bytes(deep_png(grey.repeat(3, axis=2)))
    for name, levels, key in (("deep-grey-key", grey, grey[5, 7]), ("deep-key", rgb, clear), ("deep-dark-key", rgb >> 8 | rgb << 8, (rgb >> 8 | rgb << 8)[5, 7])):
        opaque = (levels != key).any(axis=2, keepdims=True).astype(numpy.uint16) * 65535
        (folder / f"{name}.png").write_bytes(deep_png(levels, key))
        (twins / f"{name}.png").write_bytes(deep_png(numpy.concatenate([levels if levels.shape[2] == 3 else levels.repeat(3, axis=2), opaque], axis=2)))


def write_unread(folder: Path) -> None:
    """TIFF as Pillow writes it, in colours that Node refuses by name."""
    folder.mkdir()
    rgb = scene(53, 37)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
        rgb.convert("YCbCr").save(folder / f"ycbcr-{compression}.tif", compression=compression)
    Image.merge("LAB", rgb.split()).save(folder / "lab.tif")


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
    for compression in ("tiff_lzw", "packbits", "jpeg"):
        rgb.save(folder / f"rgb-{compression}.tif", compression=compression)
    rgb.convert("YCbCr").save(folder / "ycbcr-jpeg.tif", compression="jpeg")
    for name, picture in (("grey", grey), ("palette", palette), ("bits", rgb.convert("1")), ("alpha", alpha), ("grey-alpha", alpha.convert("LA"))):
        picture.save(folder / f"{name}.tif")
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = orientation
        for ending in ("jpg", "png", "webp", "tif"):
            rgb.save(folder / f"turned-{orientation}.{ending}", exif=exif)
    write_inks(folder)


def main(folder: Path, processors: Path) -> None:
    twins = folder.parent / "twins"
    write(folder)
    write_deep(folder, twins)
    write_unread(folder.parent / "unread")
    answer = {"pictures": {}, "different": [], "misread": sorted(file.name for file in twins.iterdir())}
    files = sorted(folder.iterdir())
    hows = {path.name: (read_preprocessing(path), config, KINDS[config["image_processor_type"]](**config)) for path in sorted(processors.iterdir()) for config in [json.loads((path / "preprocessor_config.json").read_text())]}
    for file in files:
        picture = open_picture(file)
        if file.name in answer["misread"]:
            (folder / f"{file.name}.misread").write_bytes(numpy.asarray(picture).tobytes())
            picture = open_picture(twins / file.name)
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
