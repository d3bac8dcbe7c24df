"""The other side of bench/generation.ts: a line `NEW_TOKENS ID ID …` on standard input is gone on with greedily by
transformers' own `generate`; the answer is a line of JSON, seconds to the first token and in all."""

import json
import sys
import time

import torch
import transformers

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32).eval()
options = {"do_sample": False, "use_cache": True, "eos_token_id": None, "pad_token_id": 0}


@torch.inference_mode()
def run(ids: list[int], count: int) -> float:
    started = time.perf_counter()
    tokens = torch.tensor([ids])
    written = model.generate(tokens, attention_mask=torch.ones_like(tokens), max_new_tokens=count, min_new_tokens=count, **options)
    assert written.shape[1] == len(ids) + count
    return time.perf_counter() - started


print("ready", flush=True)
for line in sys.stdin:
    count, *ids = (int(word) for word in line.split())
    print(json.dumps({"first": run(ids, 1), "all": run(ids, count)}), flush=True)
