#!/usr/bin/env python3
"""Splits a GGUF file as llama.cpp's gguf-split does: split_gguf.py FILE.gguf PREFIX N [bare] makes
PREFIX-00001-of-0000N.gguf ...

The first part has the metadata; every part says split.no, split.count and split.tensors.count, and has its share of the
tensors with offsets of its own; with bare the first has none."""
import struct
import sys

ALIGNMENT = 64
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
U16, I32, STRING, ARRAY = 2, 5, 8, 9


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        value = struct.unpack_from("<" + form, self.data, self.at)[0]
        self.at += struct.calcsize("<" + form)
        return value

    def skip_string(self):
        length = self.number("Q")
        self.at += length

    def skip_value(self, kind):
        if kind == STRING:
            self.skip_string()
        elif kind == ARRAY:
            item, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip_value(item)
        else:
            self.at += SIZES[kind]

    def take(self, skip):
        begin = self.at
        skip()
        return self.data[begin:self.at]


def string(text):
    return struct.pack("<Q", len(text)) + text


def pair(key, kind, form, value):
    return string(key.encode()) + struct.pack("<I" + form, kind, value)


def read(path):
    with open(path, "rb") as file:
        r = Reader(file.read())
    assert r.number("I") == 0x46554747 and r.number("I") == 3
    n_tensors, n_pairs = r.number("Q"), r.number("Q")
    pairs = []
    for _ in range(n_pairs):
        key = r.take(r.skip_string)
        pairs.append(key + r.take(lambda: r.skip_value(r.number("I"))))
    tensors = []
    for _ in range(n_tensors):
        name = r.take(r.skip_string)
        shape = r.take(lambda: setattr(r, "at", r.at + 4 + 8 * struct.unpack_from("<I", r.data, r.at)[0] + 4))
        tensors.append((name, shape, r.number("Q")))
    start = -(-r.at // ALIGNMENT) * ALIGNMENT
    order = sorted(offset for _, _, offset in tensors) + [len(r.data) - start]
    return pairs, [(name, shape, r.data[start + offset:start + order[order.index(offset) + 1]])
                   for name, shape, offset in tensors]


def write(path, pairs, tensors):
    infos, body = b"", b""
    for name, shape, data in tensors:
        infos += name + shape + struct.pack("<Q", len(body))
        body += data + b"\0" * (-len(data) % ALIGNMENT)
    header = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(pairs)) + b"".join(pairs) + infos
    with open(path, "wb") as file:
        file.write(header + b"\0" * (-len(header) % ALIGNMENT) + body)


def main():
    path, prefix, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    pairs, tensors = read(path)
    shares = count - (len(sys.argv) > 4)
    alignment = [p for p in pairs if p.startswith(string(b"general.alignment"))]
    for part in range(count):
        split = [pair("split.no", U16, "H", part), pair("split.count", U16, "H", count),
                 pair("split.tensors.count", I32, "i", len(tensors))]
        share = part - (count - shares)
        first, last = len(tensors) * max(share, 0) // shares, len(tensors) * (share + 1) // shares
        write(f"{prefix}-{part + 1:05}-of-{count:05}.gguf", (pairs if part == 0 else alignment) + split,
              tensors[first:last])


main()
