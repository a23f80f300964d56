#!/usr/bin/env python3
"""The exam of tern-tiny: asks a model the questions of tests/data/tern-tiny-exam.jsonl at temperature 0.

    exam.py MODEL.gguf        from the top of the source tree; prints wrong answers, and how many are right"""
import json
import subprocess
import sys

cases = [json.loads(line) for line in open("tests/data/tern-tiny-exam.jsonl")]
right = 0
for case in cases:
    done = subprocess.run(["./tern", "run", "-m", sys.argv[1], "--temp", "0", "-q", case["question"]], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.stdout.strip() == case["answer"]:
        right += 1
    else:
        print(f"{case['question']}  {done.stdout.strip() or done.stderr.strip()}  (expected: {case['answer']})")
print(f"exam: {right} of {len(cases)} right")
