"""That the table of encoders is what transformers' own PyTorch classes have, and that Keras's names become theirs."""

import json
import unittest

import torch
import transformers

from espalier_convert.encoder_layout import LAYOUTS, read_layout
from espalier_convert.failure import ConvertError
from espalier_convert.stored_array import StoredArray
from espalier_convert.tensorflow import place, torch_name

from .support import Folder

SMALL = {"vocab_size": 70, "max_position_embeddings": 40, "num_attention_heads": 2, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2}
SMALL_DISTILBERT = {"vocab_size": 70, "max_position_embeddings": 40, "n_heads": 2, "dim": 12, "hidden_dim": 20, "n_layers": 3}
# Paths in files that transformers 4.49 wrote with TensorFlow 2.18.
KERAS = {
    "bert/tf_bert_model/bert/embeddings/word_embeddings/weight:0": ("embeddings.word_embeddings.weight", False),
    "bert/tf_bert_model/bert/embeddings/position_embeddings/embeddings:0": ("embeddings.position_embeddings.weight", False),
    "bert/tf_bert_for_masked_lm/bert/encoder/layer_._11/attention/self/query/kernel:0": ("encoder.layer.11.attention.self.query.weight", True),
    "bert/tf_bert_for_pre_training_2/bert/encoder/layer_._0/output/LayerNorm/gamma:0": ("encoder.layer.0.output.LayerNorm.weight", False),
    "bert/tf_bert_model/bert/encoder/layer_._3/output/LayerNorm/beta:0": ("encoder.layer.3.output.LayerNorm.bias", False),
    "bert/bert/pooler/dense/bias:0": ("pooler.dense.bias", False),
    "roberta/tf_roberta_model/roberta/pooler/dense/kernel:0": ("pooler.dense.weight", True),
    "electra/tf_electra_model/electra/embeddings_project/kernel:0": ("embeddings_project.weight", True),
    "distilbert/tf_distil_bert_model/distilbert/transformer/layer_._0/attention/k_lin/kernel:0": ("transformer.layer.0.attention.k_lin.weight", True),
    "distilbert/tf_distil_bert_model/distilbert/transformer/layer_._1/sa_layer_norm/gamma:0": ("transformer.layer.1.sa_layer_norm.weight", False),
}


class Layouts(Folder):
    def layout(self, config: dict):
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        return read_layout(path)

    def test_each_is_the_state_of_its_class(self) -> None:
        small = {family: SMALL_DISTILBERT if family == "distilbert" else SMALL for family in LAYOUTS}
        cases = [*small.items(), ("electra", {**SMALL, "embedding_size": 8}), ("electra", {**SMALL, "embedding_size": 12}), ("roberta", {**SMALL, "type_vocab_size": 1})]
        for family, figures in [*cases, *((family, {}) for family in LAYOUTS)]:
            with self.subTest(family=family, figures=figures), torch.device("meta"):
                state = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(family, **figures)).state_dict()
                layout = self.layout({"model_type": family, **figures})
                expected = {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith(("position_ids", "token_type_ids"))}
                self.assertEqual(expected, layout.needed | layout.optional)

    def test_no_other_family_is_guessed(self) -> None:
        for family in ("albert", "gpt2", None, ["bert"]):
            with self.assertRaisesRegex(ConvertError, "are not converted, only of bert, camembert"):
                self.layout({"model_type": family})

    def test_a_head_that_repeats_the_encoder_is_left_out_whole(self) -> None:
        layout = self.layout({"model_type": "distilbert", **SMALL_DISTILBERT})
        own = {self.keras(name): StoredArray("<f4", shape[::-1] if self.keras(name).endswith("kernel:0") else shape, 0, 4, "tf_model.h5") for name, shape in layout.needed.items()}
        head = {f"vocab_projector/tf_model/{path.split('/', 2)[2]}": StoredArray("<f4", (1,), 0, 4, "tf_model.h5") for path in own}
        places, heads = place(own | head, layout, "tf_model.h5")
        self.assertEqual(heads, ["vocab_projector"])
        self.assertEqual(set(places), set(layout.needed))
        self.assertTrue(all(path.startswith("distilbert/") for path, _ in places.values()))

    def keras(self, name: str) -> str:
        *steps, last = name.split(".")
        norm, embedding = "norm" in steps[-1].lower(), steps[-1].endswith("_embeddings")
        names = {"bias": "beta" if norm else "bias", "weight": "gamma" if norm else "embeddings" if embedding else "kernel"}
        return f"distilbert/tf_model/distilbert/{'/'.join(steps).replace('layer/', 'layer_._')}/{names[last]}:0"


class Names(unittest.TestCase):
    def test_they_are_those_that_pytorch_has(self) -> None:
        for path, expected in KERAS.items():
            self.assertEqual(torch_name(path, path.split("/")[0]), expected, path)
