"""The model in argv[1] as save_pretrained writes it, into argv[2]: `whole`, `safetensors` (in parts of at most argv[3]), `torch` (the same in
torch files, as transformers 4 wrote them) and `evil` (one of those parts runs code when it is opened: it makes the file argv[4])."""

import json
import os
import shutil
import sys
from pathlib import Path

import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import load_file
from transformers import AutoModel

model, out, most, touched = AutoModel.from_pretrained(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
model.save_pretrained(out / "whole")
model.save_pretrained(out / "safetensors", max_shard_size=most)

tensors = load_file(out / "whole" / "model.safetensors")
split = split_torch_state_dict_into_shards(tensors, max_shard_size=most, filename_pattern="pytorch_model{suffix}.bin")
(out / "torch").mkdir()
for file, names in split.filename_to_tensors.items():
    torch.save({name: tensors[name] for name in names}, out / "torch" / file)
index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
(out / "torch" / "pytorch_model.bin.index.json").write_text(json.dumps(index))


class System:
    def __reduce__(self):
        return os.system, (f"touch {touched}",)


shutil.copytree(out / "torch", out / "evil")
last = sorted((out / "evil").glob("*.bin"))[-1]
torch.save({**torch.load(last, weights_only=True), "more": System()}, last)
for kind in ("whole", "safetensors", "torch", "evil"):
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json", "README.md"):
        if (Path(sys.argv[1]) / file).exists():
            shutil.copyfile(Path(sys.argv[1]) / file, out / kind / file)
