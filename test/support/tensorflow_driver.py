"""Every tf_model.h5 of the folder argv[1] through the conversion in this one process, with the config.json argv[2]:
JSON of name -> [kind, message] of the refusal, null for a file that got through."""

import json
import sys
from pathlib import Path

from espalier_convert.failure import ConvertError
from espalier_convert.tensorflow import convert_keras

refused = {}
for path in sorted(Path(sys.argv[1]).glob("*.h5")):
    try:
        convert_keras(path, Path(sys.argv[2]), path.with_suffix(".safetensors"))
        refused[path.name] = None
    except ConvertError as error:
        refused[path.name] = [error.kind, str(error)]
print(json.dumps(refused))
