"""That our reader finds in a checkpoint what TensorFlow put there, and that checksums are CRC-32C."""

import base64
import itertools
import random
import unittest

from espalier_convert.bundle import read_bundle
from espalier_convert.checkpoint import checkpoint_name
from espalier_convert.crc32c import BLOCK, Crc32c, masked_crc32c
from espalier_convert.failure import ConvertError
from espalier_convert.sstable import read_table

from .support import Folder

# TensorFlow 2.18.1 wrote them: tf.compat.v1.train.Saver of three variables and an empty one.
INDEX = (
    "AAAGCAEaAggBABYPYmVydC9wb29sZXIvZGVuc2UvYmlhcwgTEgQSAggCKAQ15CeNPxIGFWtlcm5lbAgBEggSAggCEgIIAyAEKBg1wNs9FwALDWdsb2JhbF9zdGVw"
    "CAkSACAcKAg1VxSovAAHEW5vdGhpbmcIARIGEgASAggEICQ12OqCogAAAAABAAAAAAnNrukAAAAAAQAAAADA8qGwAAEDbwCNAQAAAAABAAAAAPBhhpSSAQifAQ8A"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAV/uAiyR1R9s="
)
DATA = "ADgAvAAAAAAAAIA/AAAAQAAAQEAAAIBAAACgQLAEAAAAAAAA"
NAMES = {
    "bert/embeddings/word_embeddings": ("embeddings.word_embeddings.weight", False),
    "bert/embeddings/LayerNorm/gamma": ("embeddings.LayerNorm.weight", False),
    "bert/encoder/layer_11/attention/self/query/kernel": ("encoder.layer.11.attention.self.query.weight", True),
    "bert/encoder/layer_0/attention/output/dense/bias": ("encoder.layer.0.attention.output.dense.bias", False),
    "bert/encoder/layer_3/output/LayerNorm/beta": ("encoder.layer.3.output.LayerNorm.bias", False),
    "bert/pooler/dense/kernel": ("pooler.dense.weight", True),
}


class Checkpoints(Folder):
    def test_one_that_tensorflow_wrote_is_read(self) -> None:
        index, shard = self.folder / "small.ckpt.index", self.folder / "small.ckpt.data-00000-of-00001"
        index.write_bytes(base64.b64decode(INDEX))
        data = base64.b64decode(DATA)
        shard.write_bytes(data)
        arrays = read_bundle(index, [shard]).arrays
        found = {name: (array.dtype, array.shape, array.offset, array.size_bytes) for name, array in arrays.items()}
        self.assertEqual(found, {
            "bert/pooler/dense/bias": ("<f2", (2,), 0, 4),
            "bert/pooler/dense/kernel": ("<f4", (2, 3), 4, 24),
            "global_step": ("type 9", (), 28, 8),
            "nothing": ("<f4", (0, 4), 36, 0),
        })  # fmt: skip
        for array in arrays.values():
            self.assertEqual(array.crc32c, masked_crc32c(data[array.offset : array.offset + array.size_bytes]))

    def test_no_byte_of_the_index_may_be_another(self) -> None:
        index = base64.b64decode(INDEX)
        for place, changed in itertools.product(range(len(index)), (1, 0x80)):
            spoilt = bytearray(index)
            spoilt[place] ^= changed
            with self.subTest(place=place, changed=changed), self.assertRaises(ConvertError):
                read_table(bytes(spoilt), "small.ckpt.index")

    def test_no_part_of_an_index_is_one(self) -> None:
        index = base64.b64decode(INDEX)
        for length in range(len(index)):
            with self.subTest(length=length), self.assertRaises(ConvertError):
                read_table(index[:length], "small.ckpt.index")


class Names(unittest.TestCase):
    def test_they_are_those_that_pytorch_has(self) -> None:
        for path, expected in NAMES.items():
            self.assertEqual(checkpoint_name(path, "bert"), expected, path)


class Checksums(unittest.TestCase):
    def test_they_are_those_of_rfc_3720(self) -> None:
        for data, expected in ((b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (bytes(range(32)), 0x46DD794E), (b"", 0)):
            self.assertEqual(crc(data), expected, data)

    def test_they_are_those_of_a_loop_over_the_bits_whatever_the_length(self) -> None:
        data = random.Random(6).randbytes(BLOCK + 5_000)
        for length in (1, 2, 3, 7, 8, 9, 17, 1_000, 4_095, BLOCK - 1, BLOCK, BLOCK + 1, len(data)):
            self.assertEqual(crc(data[:length]), bit_by_bit(data[:length]), length)

    def test_parts_give_what_the_whole_gives(self) -> None:
        data, parts = random.Random(7).randbytes(10_000), Crc32c()
        for start, end in itertools.pairwise((0, 1, 3, 3, 4_000, 10_000)):
            parts.update(data[start:end])
        self.assertEqual(parts.masked(), masked_crc32c(data))


def crc(data: bytes) -> int:
    made = Crc32c()
    made.update(data)
    return made.register ^ 0xFFFFFFFF


def bit_by_bit(data: bytes) -> int:
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF
