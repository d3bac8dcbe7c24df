"""Every X.ckpt.index of the folder argv[1] through the conversion in this one process, with the config.json argv[2]:
JSON of X -> [kind, message] of the refusal, null for a checkpoint that got through."""

import json
import sys
from pathlib import Path

from espalier_convert.checkpoint import convert_checkpoint
from espalier_convert.failure import ConvertError

refused = {}
for index in sorted(Path(sys.argv[1]).glob("*.ckpt.index")):
    name = index.name.removesuffix(".ckpt.index")
    shards = sorted(index.parent.glob(f"{name}.ckpt.data-*"))
    try:
        convert_checkpoint(index, shards, Path(sys.argv[2]), index.parent / f"{name}.safetensors")
        refused[name] = None
    except ConvertError as error:
        refused[name] = [error.kind, str(error)]
print(json.dumps(refused))
