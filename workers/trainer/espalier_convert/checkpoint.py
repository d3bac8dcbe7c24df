"""A checkpoint of TensorFlow 1 (X.index, X.data-…), as Google released BERT, under PyTorch's names and the right way round."""

from pathlib import Path

from .bundle import read_bundle
from .model_layout import read_layout
from .failure import ConvertError
from .tensorflow import LAST, TRANSPOSED, place, write_tensors

SCOPE = "bert"
# What an optimiser keeps beside each weight (google-research/bert, optimization.py; tf.train.AdamOptimizer), and its counters.
SLOTS = {"adam_m", "adam_v", "Adam", "Adam_1"}
COUNTERS = {"global_step", "beta1_power", "beta2_power"}


def convert_checkpoint(index: Path, shards: list[Path], config: Path, target: Path) -> dict:
    """Writes the encoder's tensors as safetensors, the same bytes for the same tensors; gives the heads that were left out.
    Throws UnsafeModel (sstable.py, bundle.py) or BadModel when they are not those of the config."""
    layout = read_layout(config)
    if layout.scope != SCOPE:
        raise ConvertError("BadModel", f"a TensorFlow checkpoint is converted of a {SCOPE} alone, and config.json is of another model", ELSEWHERE)
    stored = read_bundle(index, shards)
    arrays = {name: array for name, array in stored.items() if name not in COUNTERS and name.split("/")[-1] not in SLOTS}
    places, heads = place(arrays, layout, index.name, checkpoint_name)
    write_tensors(places, arrays, index.parent, target)
    return {"leftOut": heads}


ELSEWHERE = "convert it elsewhere with transformers 4 (from_tf=True), or take a model with model.safetensors"


def checkpoint_name(path: str, scope: str) -> tuple[str, bool]:
    """As transformers names them: 'bert/encoder/layer_0/attention/self/query/kernel' is 'encoder.layer.0.attention.self.query.weight',
    transposed; 'bert/embeddings/word_embeddings' is the table itself."""
    *steps, last = path.removeprefix(f"{scope}/").replace("/layer_", "/layer/").split("/")
    if last.endswith("_embeddings"):
        return ".".join([*steps, last, "weight"]), False
    return ".".join([*steps, LAST.get(last, last)]), last == TRANSPOSED
