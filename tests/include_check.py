"""Arrows point one way: which folder may include which, and internal headers stay inside theirs."""

import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import ROOT, main, test  # noqa: E402

ALLOWED = {
    "base": [],
    "store": ["base"],
    "engine": ["base", "store"],
    "job": ["base", "store", "engine"],
    "table": ["base", "store"],
    "model": ["base", "store", "table"],
    "explain": ["base", "store", "engine", "job", "table", "model"],
    "tune": ["base", "store", "engine", "job", "table", "model"],
    "serve": ["base", "store", "engine", "job", "table", "model"],
    "compare": ["base", "store", "engine", "job", "table"],
    "cluster": ["base", "store", "engine", "job"],
    "bench": ["base", "store", "engine", "job", "table", "model", "explain", "serve"],
    "cli": ["base", "store", "engine", "job", "table", "model", "explain", "tune",
            "compare", "serve", "cluster", "bench"],
}
INCLUDE = re.compile(r'^\s*#include "windlass/(\w+)/([^"]+)"')


def faults(files):
    """One line a fault; `files`: (folder, name, text)."""
    found = []
    for folder, name, text in files:
        for number, line in enumerate(text.splitlines(), 1):
            match = INCLUDE.match(line)
            if not match or match[1] == folder:
                continue
            where = f"src/windlass/{folder}/{name}:{number}"
            if match[1] not in ALLOWED[folder]:
                found.append(f"{where}: {folder} must not include {match[1]}/")
            if match[2].endswith("_internal.h") and not name.endswith("_test.cc"):
                found.append(f"{where}: {match[1]}/{match[2]} is not for other folders")
    return found


@test
def arrows_point_one_way(_):
    source = ROOT / "src/windlass"
    assert {p.name for p in source.iterdir() if p.is_dir()} == set(ALLOWED)
    files = [(p.parent.name, p.name, p.read_text()) for p in source.rglob("*.[ch]*")
             if p.suffix in (".h", ".cc") and p.parent.parent == source]
    assert len(files) > 100
    assert not faults(files), "\n".join(faults(files))


@test
def the_check_sees_what_is_wrong(_):
    assert faults([("base", "a.h", '#include "windlass/job/run.h"\n')])
    assert faults([("job", "a.cc", '#include "windlass/store/segment_internal.h"\n')])
    assert not faults([("job", "a.cc", '#include "windlass/store/store.h"\n')])


main()
