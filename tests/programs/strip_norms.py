#!/usr/bin/env python3
"""A checkpoint without the norms in front of its projections: strip_norms.py SOURCE TARGET.

The weights were trained with them, so the text is poor; but it is a model of plain Llama shape, as other engines know it."""
import json
import os
import shutil
import struct
import sys

source, target = sys.argv[1:3]
os.makedirs(target, exist_ok=True)
for name in os.listdir(source):
    if name.endswith(".json") and name != "config.json":
        shutil.copy(os.path.join(source, name), target)

with open(os.path.join(source, "model.safetensors"), "rb") as file:
    data = file.read()
start = 8 + struct.unpack("<Q", data[:8])[0]
kept, body = {}, b""
for name, tensor in json.loads(data[8:start]).items():
    if name == "__metadata__" or ".rms_norm." in name:
        continue
    begin, end = tensor["data_offsets"]
    kept[name] = dict(tensor, data_offsets=[len(body), len(body) + end - begin])
    body += data[start + begin:start + end]
header = json.dumps(kept).encode()
header += b" " * (-len(header) % 8)
with open(os.path.join(target, "model.safetensors"), "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + body)

with open(os.path.join(source, "config.json"), encoding="utf-8") as file:
    config = json.load(file)
config["quantization_config"]["use_rms_norm"] = False
with open(os.path.join(target, "config.json"), "w", encoding="utf-8") as file:
    json.dump(config, file)
