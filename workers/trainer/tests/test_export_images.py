"""Pictures' models as ONNX: every family of transformers that is trained, and backbones that come as a graph."""

import base64
import io
import json
from pathlib import Path

import numpy
import onnx
import torch
import transformers
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from espalier_trainer import events, export, images, train
from espalier_trainer.backbone import backbone_of, with_head
from espalier_trainer.guard import StopFlag

from .support import Folder, Recorder
from .test_families import Families

SIZE = 32
PREPROCESSOR = {"size": {"height": SIZE, "width": SIZE}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2}
TINY = {
    "resnet": transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"),
    "convnext": transformers.ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=SIZE),
    "vit": transformers.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=SIZE, patch_size=8),
    "mobilenet_v2": transformers.MobileNetV2Config(image_size=SIZE, depth_multiplier=0.35),
}


def said(folder: Path, pictures: list[str]) -> dict[str, numpy.ndarray]:
    """What the exported graph says to pictures, by ONNX's own evaluator."""
    graph = ReferenceEvaluator(onnx.load(folder / "model.onnx"))
    how = images.read_preprocessing(folder)
    files = [io.BytesIO(base64.b64decode(picture)) for picture in pictures]
    pixels = numpy.stack([images.prepare(images.open_picture(file), how) for file in files])
    return dict(zip(graph.output_names, graph.run(None, {"pixel_values": pixels}), strict=True))


class Exports(Families):
    def model(self, name: str) -> Path:
        folder = self.folder / name
        torch.manual_seed(1)
        config = TINY[name]
        transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING[type(config)](config).save_pretrained(folder)
        (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
        return folder

    def encoder(self, model: Path, name: str) -> tuple[dict, dict]:
        out = self.folder / name
        task = {"verb": "export-encoder", "task": "image-classification", "model": str(model), "out": str(out)}
        return export.export_encoder(task, Recorder(), StopFlag()), json.loads((out / "parity.json").read_text())

    def test_every_family_says_as_onnx_what_it_said_in_pytorch(self) -> None:
        for name in TINY:
            with self.subTest(name):
                made, parity = self.encoder(self.model(name), f"{name}-out")
                embeddings = said(Path(made["encoder"]), parity["pictures"])["embedding"]
                self.assertEqual(embeddings.shape, (len(parity["pictures"]), made["dimension"]))
                self.assertLess(numpy.abs(embeddings - numpy.asarray(parity["embeddings"])).max(), 1e-4)
                about = json.loads((Path(made["encoder"]) / "encoder.json").read_text())
                self.assertEqual((about["input"], about["inputs"], about["processor"]), ("image", ["pixel_values"], PREPROCESSOR))

    def test_the_same_model_is_the_same_bytes_without_a_path_in_them(self) -> None:
        model = self.model("resnet")
        first, again = (Path(self.encoder(model, name)[0]["encoder"]) for name in ("a", "b"))
        self.assertEqual((first / "model.onnx").read_bytes(), (again / "model.onnx").read_bytes())
        self.assertNotIn(b"site-packages", (first / "model.onnx").read_bytes())

    def test_a_trained_classifier_of_every_method_has_probabilities_and_is_calibrated(self) -> None:
        for method in ("full", "lora", "head"):
            with self.subTest(method):
                trained = train.Training(self.image_task(method=method) | {"out": str(self.folder / method)}, Recorder(), StopFlag()).run()
                rows = str(self.made / "image" / "pictures" / "train.jsonl")
                task = {"model": trained["model"], "calibration": rows, "out": str(self.folder / f"{method}-onnx")}
                made = export.export_classifier(task, Recorder(), StopFlag())
                parity = json.loads(Path(made["parity"]).read_text())
                outputs = said(Path(made["classifier"]), parity["pictures"])
                self.assertEqual(set(outputs), {"probabilities", "logits", "embedding"})
                expected = numpy.asarray(parity["probabilities"])
                self.assertLess(numpy.abs(outputs["probabilities"] - expected).max(), 1e-4)
                self.assertEqual(outputs["probabilities"].argmax(1).tolist(), expected.argmax(1).tolist())
                self.assertNotEqual(made["temperature"], 1.0)
                about = json.loads((Path(made["classifier"]) / "classifier.json").read_text())
                self.assertEqual(about["labels"], ["red", "green", "blue"])

    def test_adapters_are_refused_where_they_do_not_fit(self) -> None:
        task = self.image_task(method="lora") | {"model": str(self.model("mobilenet_v2"))}
        with self.assertRaisesRegex(events.TrainerError, "low-rank adapters do not fit"):
            train.Training(task, Recorder(), StopFlag()).run()

    def test_a_graph_is_a_frozen_backbone_with_a_head_behind_it(self) -> None:
        source = graph_folder(self.folder / "graph", places=True)
        made, parity = self.encoder(source, "backbone")
        self.assertEqual((made["backbone"], made["output"], made["dimension"]), ("onnx", "features", 4))
        embeddings = said(Path(made["encoder"]), parity["pictures"])["embedding"]
        weights, bias = numpy.arange(12, dtype=numpy.float32).reshape(3, 4) / 10, numpy.asarray([0.5, 0, -0.5], numpy.float32)
        head = {"weights": weights.tolist(), "bias": bias.tolist(), "temperature": 2.0}
        trained = Path(made["weights"])
        (trained / "head.json").write_text(json.dumps(head))
        about = {"task": "image-classification", "backbone": "onnx", "labels": ["a", "b", "c"]}
        (trained / "espalier.json").write_text(json.dumps(about))
        classifier = export.export_classifier({"model": str(trained), "out": str(self.folder / "c")}, Recorder(), StopFlag())
        outputs = said(Path(classifier["classifier"]), parity["pictures"])
        logits = (embeddings @ weights.T + bias) / 2
        self.assertLess(numpy.abs(outputs["logits"] - logits).max(), 1e-5)
        self.assertLess(numpy.abs(outputs["probabilities"].sum(1) - 1).max(), 1e-6)
        self.assertEqual(classifier["temperature"], 2.0)


class Graphs(Folder):
    def test_what_the_features_do_not_need_is_left_out(self) -> None:
        found = backbone_of(graph_folder(self.folder / "g") / "model.onnx", SIZE, SIZE)
        self.assertNotIn("MatMul", [node.op_type for node in found.model.graph.node])
        self.assertEqual((found.parameters, found.layers), (4 * 3 * 9, 1))

    def test_a_graph_of_another_shape_is_refused_with_what_it_takes(self) -> None:
        path = graph_folder(self.folder / "g") / "model.onnx"
        with self.assertRaisesRegex(events.TrainerError, "takes pictures of 32 × 32, but its preprocessing gives 16 × 16"):
            backbone_of(path, 16, 16)
        for mistake, message in (({"channels": 1}, "of shape"), ({"output": "scores", "more": True}, "none is called embedding"), ({"opset": 7}, "opset 7")):
            with self.subTest(message), self.assertRaisesRegex(events.TrainerError, message):
                backbone_of(graph_folder(self.folder / message.replace(" ", "-"), **mistake) / "model.onnx", SIZE, SIZE)

    def test_a_head_of_another_width_is_refused(self) -> None:
        path = self.folder / "b.onnx"
        onnx.save(backbone_of(graph_folder(self.folder / "g") / "model.onnx", SIZE, SIZE).model, path)
        with self.assertRaisesRegex(events.TrainerError, "for a backbone of 4 features"):
            with_head(path, numpy.zeros((3, 5)), numpy.zeros(3))


def graph_folder(folder: Path, *, places: bool = False, channels: int = 3, output: str = "features", more: bool = False, opset: int = 18) -> Path:
    """A convolution whose means are the features, and logits that nobody needs; its inner names are ours, to see that they do not clash."""
    folder.mkdir()
    random = numpy.random.Generator(numpy.random.PCG64(7))
    filters = numpy_helper.from_array(random.normal(0, 1, (4, channels, 3, 3)).astype(numpy.float32), "embedding")
    matrix = numpy_helper.from_array(random.normal(0, 1, (4, 2)).astype(numpy.float32), "head/weights")
    nodes = [helper.make_node("Conv", ["picture", "embedding"], ["pooled"], strides=[2, 2])]
    shape = ["batch", 4, 15, 15] if places else ["batch", 4]
    nodes += [helper.make_node("GlobalAveragePool", ["pooled"], ["means"]), helper.make_node("Flatten", ["means"], ["flat"])]
    nodes += [helper.make_node("Identity", ["pooled" if places else "flat"], [output]), helper.make_node("MatMul", ["flat", "head/weights"], ["logits"])]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
    if output == "features" or more:
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2]))
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["batch", channels, SIZE, SIZE])
    graph = helper.make_graph(nodes, "graph", [picture], outputs, [filters, matrix])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]), folder / "model.onnx")
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    return folder
