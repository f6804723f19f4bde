#!/usr/bin/env python3
"""Writes peers/NAME/requirements.txt from requirements.in: what pip takes here, by hash.

    python3.11 pin_peer.py NAME     (pip 23 or newer)

One hash a package, of the file for this system (the committed ones: CPython 3.11, Linux, x86-64).
"""

import json
import pathlib
import subprocess
import sys

folder = pathlib.Path(__file__).resolve().parent / "peers" / sys.argv[1]
report = json.loads(subprocess.run(
    [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet",
     "--only-binary", ":all:", "--report", "-", "-r", folder / "requirements.in"],
    check=True, capture_output=True, text=True).stdout)
lines = ["# Pinned for CPython 3.11 on Linux, x86-64, from requirements.in by:", "#   pin_peer.py"]
for item in sorted(report["install"], key=lambda item: item["metadata"]["name"].lower()):
    metadata = item["metadata"]
    digest = item["download_info"]["archive_info"]["hash"].replace("=", ":")
    lines.append(f"{metadata['name']}=={metadata['version']} --hash={digest}")
(folder / "requirements.txt").write_text("\n".join(lines) + "\n")
