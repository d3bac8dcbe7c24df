"""A checkpoint of TensorFlow (X.index, X.data-…) under PyTorch's names and the right way round: of TensorFlow 1's variables, as Google
released BERT, or of TensorFlow 2's objects (objects.py)."""

from pathlib import Path

from .bundle import Bundle, read_bundle
from .failure import ConvertError
from .model_layout import ModelLayout, read_layout
from .objects import object_arrays
from .stored_array import StoredArray
from .tensorflow import LAST, TRANSPOSED, Naming, place, write_tensors

SCOPE = "bert"
# What an optimiser keeps beside each weight (google-research/bert, optimization.py; tf.train.AdamOptimizer), and its counters.
SLOTS = {"adam_m", "adam_v", "Adam", "Adam_1"}
COUNTERS = {"global_step", "beta1_power", "beta2_power"}


def convert_checkpoint(index: Path, shards: list[Path], config: Path, target: Path) -> dict:
    """Writes the encoder's tensors as safetensors, the same bytes for the same tensors; gives the heads that were left out.
    Throws UnsafeModel (sstable.py, bundle.py, object_graph.py) or BadModel when they are not those of the config."""
    layout = read_layout(config)
    bundle = read_bundle(index, shards)
    if bundle.objects is None:
        arrays, name_of = _variables(bundle, layout)
    else:
        arrays, name_of = object_arrays(bundle.arrays, bundle.objects, layout, index)
    places, heads = place(arrays, layout, index.name, name_of)
    write_tensors(places, arrays, index.parent, target)
    return {"leftOut": heads}


def _variables(bundle: Bundle, layout: ModelLayout) -> tuple[dict[str, StoredArray], Naming]:
    if layout.scope != SCOPE:
        raise ConvertError("BadModel", f"a checkpoint of TensorFlow 1 is converted of a {SCOPE} alone, and config.json is of another model", ELSEWHERE)
    arrays = {name: array for name, array in bundle.arrays.items() if name not in COUNTERS and name.split("/")[-1] not in SLOTS}
    return arrays, checkpoint_name


ELSEWHERE = "convert it elsewhere with transformers 4 (from_tf=True), or take a model with model.safetensors"


def checkpoint_name(path: str, scope: str) -> tuple[str, bool]:
    """As transformers names them: 'bert/encoder/layer_0/attention/self/query/kernel' is 'encoder.layer.0.attention.self.query.weight',
    transposed; 'bert/embeddings/word_embeddings' is the table itself."""
    *steps, last = path.removeprefix(f"{scope}/").replace("/layer_", "/layer/").split("/")
    if last.endswith("_embeddings"):
        return ".".join([*steps, last, "weight"]), False
    return ".".join([*steps, LAST.get(last, last)]), last == TRANSPOSED
