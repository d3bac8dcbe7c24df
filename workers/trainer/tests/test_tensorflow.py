"""That the table of encoders is what transformers' own PyTorch classes have, and that Keras's names become theirs."""

import json
import re
import unittest

import h5py
import torch
import transformers
from safetensors.torch import load_file

from espalier_convert.model_layout import LAYOUTS, read_layout
from espalier_convert.failure import ConvertError
from espalier_convert.garden import garden_name, garden_path, is_of_garden
from espalier_convert.keras_attributes import attribute_name
from espalier_convert.objects import keras_path
from espalier_convert.stored_array import StoredArray
from espalier_convert.tensorflow import convert_keras, place, torch_name

from .support import Folder

SMALL = {"vocab_size": 70, "max_position_embeddings": 40, "num_attention_heads": 2, "hidden_size": 12, "intermediate_size": 20, "num_hidden_layers": 2}
SMALL_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 24], "depths": [2, 1, 2]}
SMALL_GPT2 = {"vocab_size": 70, "n_positions": 40, "n_embd": 12, "n_layer": 2, "n_head": 2}
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
    "transformer/tfgpt2lm_head_model/transformer/h_._1/attn/c_attn/weight:0": ("h.1.attn.c_attn.weight", False),
    "resnet/tf_res_net_model_1/resnet/encoder/stages.2/layers.0/shortcut/convolution/kernel:0": ("encoder.stages.2.layers.0.shortcut.convolution.weight", True),
    "resnet/resnet/embedder/embedder/normalization/moving_variance:0": ("embedder.embedder.normalization.running_var", False),
    "transformer/tfgpt2_model/transformer/wte/embeddings:0": ("wte.weight", False),
    "distilbert/tf_distil_bert_model/distilbert/transformer/layer_._1/sa_layer_norm/gamma:0": ("transformer.layer.1.sa_layer_norm.weight", False),
}
# Variables' own names in checkpoints that transformers 4.49 and tf-models-official 2.18 wrote with TensorFlow 2.18.
OBJECTS = {
    ("tf_bert_for_sequence_classification_1/bert/encoder/layer_._1/attention/self/key/kernel", "bert"): ("encoder.layer.1.attention.self.key.weight", True),
    ("my/tf_bert_model_1/bert/embeddings/word_embeddings/weight", "bert"): ("embeddings.word_embeddings.weight", False),
    ("tfgpt2lm_head_model/transformer/h_._0/attn/c_attn/bias", "transformer"): ("h.0.attn.c_attn.bias", False),
    ("tf_res_net_for_image_classification/resnet/encoder/stages.2/layers.1/layer.2/normalization/moving_mean", "resnet"): ("encoder.stages.2.layers.1.layer.2.normalization.running_mean", False),
}
GARDEN = {
    "word_embeddings/embeddings": ("embeddings.word_embeddings.weight", False),
    "bert_encoder_v2/position_embedding/embeddings": ("embeddings.position_embeddings.weight", False),
    "type_embeddings/embeddings": ("embeddings.token_type_embeddings.weight", False),
    "embeddings/layer_norm/gamma": ("embeddings.LayerNorm.weight", False),
    "transformer/layer_11/self_attention/value/kernel": ("encoder.layer.11.attention.self.value.weight", True),
    "bert_encoder_v2/transformer/layer_0/self_attention/attention_output/bias": ("encoder.layer.0.attention.output.dense.bias", False),
    "transformer/layer_0/self_attention_layer_norm/beta": ("encoder.layer.0.attention.output.LayerNorm.bias", False),
    "transformer/layer_0/intermediate/kernel": ("encoder.layer.0.intermediate.dense.weight", True),
    "transformer/layer_0/output/kernel": ("encoder.layer.0.output.dense.weight", True),
    "transformer/layer_0/output_layer_norm/gamma": ("encoder.layer.0.output.LayerNorm.weight", False),
    "pooler_transform/kernel": ("pooler.dense.weight", True),
}
# Paths below the model in *.weights.h5 that transformers 4.49 with tf-keras 2.18 wrote.
ATTRIBUTES = {
    ("bert/embeddings/vars/1", "bert"): ("embeddings.token_type_embeddings.weight", False),
    ("distilbert/embeddings/vars/1", "distilbert"): ("embeddings.position_embeddings.weight", False),
    ("roberta/embeddings/LayerNorm/vars/0", "roberta"): ("embeddings.LayerNorm.weight", False),
    ("electra/embeddings_project/vars/0", "electra"): ("embeddings_project.weight", True),
    ("electra/encoder/layer/tf_electra_layer_11/bert_output/LayerNorm/vars/1", "electra"): ("encoder.layer.11.output.LayerNorm.bias", False),
    ("bert/encoder/layer/tf_bert_layer/attention/dense_output/dense/vars/0", "bert"): ("encoder.layer.0.attention.output.dense.weight", True),
    ("distilbert/transformer/layer/tf_transformer_block_1/ffn/lin2/vars/0", "distilbert"): ("transformer.layer.1.ffn.lin2.weight", True),
    ("distilbert/transformer/layer/tf_transformer_block/sa_layer_norm/vars/1", "distilbert"): ("transformer.layer.0.sa_layer_norm.bias", False),
    ("transformer/wpe/vars/0", "transformer"): ("wpe.weight", False),
    ("transformer/h/tf_block_1/attn/c_attn/vars/0", "transformer"): ("h.1.attn.c_attn.weight", False),
    ("transformer/h/tf_block/ln_2/vars/1", "transformer"): ("h.0.ln_2.bias", False),
    ("resnet/embedder/embedder/conv/vars/0", "resnet"): ("embedder.embedder.convolution.weight", True),
    ("resnet/encoder/stages/tf_res_net_stage_1/stage_layers/tf_res_net_bottle_neck_layer_2/conv0/normalization/vars/3", "resnet"): ("encoder.stages.1.layers.2.layer.0.normalization.running_var", False),
    ("resnet/encoder/stages/tf_res_net_stage/stage_layers/tf_res_net_basic_layer/conv2/conv/vars/0", "resnet"): ("encoder.stages.0.layers.0.layer.1.convolution.weight", True),
    ("resnet/encoder/stages/tf_res_net_stage/stage_layers/tf_res_net_basic_layer/shortcut/convolution/vars/0", "resnet"): ("encoder.stages.0.layers.0.shortcut.convolution.weight", True),
}


class Layouts(Folder):
    def layout(self, config: dict):
        path = self.folder / "config.json"
        path.write_text(json.dumps(config))
        return read_layout(path)

    def test_each_is_the_state_of_its_class(self) -> None:
        small = {family: {"distilbert": SMALL_DISTILBERT, "gpt2": SMALL_GPT2, "resnet": SMALL_RESNET}.get(family, SMALL) for family in LAYOUTS}
        cases = [*small.items(), ("electra", {**SMALL, "embedding_size": 8}), ("electra", {**SMALL, "embedding_size": 12}), ("roberta", {**SMALL, "type_vocab_size": 1}), ("gpt2", {**SMALL_GPT2, "n_inner": 20})]
        cases += [("resnet", {**SMALL_RESNET, **more}) for more in ({"layer_type": "basic"}, {"downsample_in_first_stage": True}, {"num_channels": 1})]
        for family, figures in [*cases, *((family, {}) for family in LAYOUTS)]:
            with self.subTest(family=family, figures=figures), torch.device("meta"):
                state = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(family, **figures)).state_dict()
                layout = self.layout({"model_type": family, **figures})
                expected = {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith(("position_ids", "token_type_ids", "num_batches_tracked"))}
                self.assertEqual(expected, layout.needed | layout.optional)

    def test_no_other_family_is_guessed(self) -> None:
        for family in ("albert", "t5", None, ["bert"]):
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

    def test_a_gpt2_that_keras_holds_is_what_its_class_loads(self) -> None:
        """As transformers 4.49 with TensorFlow 2.18 saved a TFGPT2LMHeadModel: biases are rows, and the head is the embeddings."""
        config = transformers.GPT2Config(**SMALL_GPT2)
        state = transformers.GPT2Model(config).state_dict()
        source, target = self.folder / "tf_model.h5", self.folder / "model.safetensors"
        with h5py.File(source, "w") as file:
            for name, tensor in state.items():
                *steps, last = name.split(".")
                norm, table = steps[-1].startswith("ln_"), steps[-1] in ("wte", "wpe")
                last = {"weight": "gamma", "bias": "beta"}[last] if norm else "embeddings" if table else last
                values = tensor.numpy()[None] if last == "bias" else tensor.numpy()
                file[f"transformer/tfgpt2lm_head_model/transformer/{'/'.join(steps).replace('h/', 'h_._')}/{last}:0"] = values
        config.save_pretrained(self.folder)
        self.assertEqual(convert_keras(source, [], self.folder / "config.json", target)["leftOut"], [])
        converted = load_file(target)
        self.assertEqual(set(converted), set(state))
        self.assertTrue(all(torch.equal(converted[name], state[name]) for name in state))
        model, report = transformers.GPT2LMHeadModel.from_pretrained(self.folder, output_loading_info=True)
        self.assertFalse(report["missing_keys"] or report["unexpected_keys"] or report["mismatched_keys"])
        self.assertTrue(torch.equal(model.lm_head.weight, state["wte.weight"]))

    def test_a_resnet_that_keras_holds_is_what_its_class_loads(self) -> None:
        """As transformers 4.49 with TensorFlow 2.18 saved a TFResNetForImageClassification: kernels have their sides first."""
        config = transformers.ResNetConfig(**SMALL_RESNET)
        state = {name: torch.randn(tensor.shape) if tensor.ndim else tensor for name, tensor in transformers.ResNetModel(config).state_dict().items()}
        source, target = self.folder / "tf_model.h5", self.folder / "model.safetensors"
        names = {"running_mean": "moving_mean", "running_var": "moving_variance", "bias": "beta"}
        with h5py.File(source, "w") as file:
            for name, tensor in ((name, tensor) for name, tensor in state.items() if tensor.ndim):
                *steps, last = name.split(".")
                kernel = steps[-1] == "convolution"
                path = re.sub(r"(stages|layers|layer)/(\d)", r"\1.\2", "/".join(steps))
                last = "kernel" if kernel else names.get(last, "gamma")
                values = tensor.permute(2, 3, 1, 0).numpy() if kernel else tensor.numpy()
                file[f"resnet/tf_res_net_for_image_classification/resnet/{path}/{last}:0"] = values
            file["classifier.1/tf_res_net_for_image_classification/classifier.1/bias:0"] = [0.5]
        config.save_pretrained(self.folder)
        self.assertEqual(convert_keras(source, [], self.folder / "config.json", target)["leftOut"], ["classifier.1"])
        converted = load_file(target)
        self.assertEqual(set(converted), set(state))
        self.assertTrue(all(torch.equal(converted[name], state[name]) for name in state))
        _, report = transformers.ResNetModel.from_pretrained(self.folder, output_loading_info=True)
        self.assertFalse(report["missing_keys"] or report["unexpected_keys"] or report["mismatched_keys"], report)

    def keras(self, name: str) -> str:
        *steps, last = name.split(".")
        norm, embedding = "norm" in steps[-1].lower(), steps[-1].endswith("_embeddings")
        names = {"bias": "beta" if norm else "bias", "weight": "gamma" if norm else "embeddings" if embedding else "kernel"}
        return f"distilbert/tf_model/distilbert/{'/'.join(steps).replace('layer/', 'layer_._')}/{names[last]}:0"


class Names(unittest.TestCase):
    def test_they_are_those_that_pytorch_has(self) -> None:
        for path, expected in KERAS.items():
            self.assertEqual(torch_name(path, path.split("/")[0]), expected, path)

    def test_so_do_those_of_objects_and_of_attributes(self) -> None:
        for (name, scope), expected in OBJECTS.items():
            self.assertEqual(torch_name(keras_path(name, scope), scope), expected, name)
        for (path, scope), expected in ATTRIBUTES.items():
            self.assertEqual(attribute_name(path, scope), expected, path)
        for name, expected in GARDEN.items():
            self.assertEqual(garden_name(garden_path(name), "bert"), expected, name)
        self.assertEqual([name for name in GARDEN if is_of_garden(name)], [name for name in GARDEN if "transformer/" in name])
        self.assertFalse(any(is_of_garden(name) for name, _ in OBJECTS))
