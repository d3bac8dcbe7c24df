"""Every .h5 and .keras of the folder argv[1], and the parts in each of its folders, through the conversion in this one process, with the config.json argv[2]:
JSON of name -> [kind, message] of the refusal, null for a file that got through."""

import json
import sys
from pathlib import Path

from espalier_convert.failure import ConvertError
from espalier_convert.tensorflow import convert_keras

refused = {}
folder = Path(sys.argv[1])
whole = [(path, path, []) for path in (*folder.glob("*.h5"), *folder.glob("*.keras"))]
in_parts = [(index.parent, index, sorted(index.parent.glob("tf_model-*.h5"))) for index in folder.glob("*/tf_model.h5.index.json")]
for path, source, parts in sorted(whole + in_parts):
    try:
        convert_keras(source, parts, Path(sys.argv[2]), path.with_suffix(".safetensors"))
        refused[path.name] = None
    except ConvertError as error:
        refused[path.name] = [error.kind, str(error)]
print(json.dumps(refused))
