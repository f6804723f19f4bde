"""What a result must say about where it was measured."""

import os
import platform
import subprocess


def _first(path, key):
    try:
        with open(path) as file:
            for line in file:
                name, _, value = line.partition(":")
                if name.strip() == key:
                    return value.strip()
    except OSError:
        pass
    return None


def _output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30,
                              check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def describe(root):
    """A dict: processor, cores, memory, system, and the commit of the sources in `root`."""
    flags = (_first("/proc/cpuinfo", "flags") or "").split()
    os_release = {}
    try:
        with open("/etc/os-release") as file:
            os_release = dict(line.strip().split("=", 1) for line in file if "=" in line)
    except OSError:
        pass
    return {
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor(),
        "instruction_sets": [f for f in ("sse4_2", "avx2", "fma", "avx512f") if f in flags],
        "cores": len(os.sched_getaffinity(0)),
        "memory": _first("/proc/meminfo", "MemTotal"),
        "system": os_release.get("PRETTY_NAME", platform.system()).strip('"'),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "compiler": (_output("cc", "--version") or "none").splitlines()[0],
        "commit": _output("git", "-C", str(root), "rev-parse", "HEAD"),
        "changed_files": len((_output("git", "-C", str(root), "status", "--porcelain",
                                      "--untracked-files=no") or "").splitlines()),
    }


def load_average():
    return os.getloadavg()[0]
