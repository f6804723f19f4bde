#!/usr/bin/env python3
"""Runs benchmarks side by side and keeps what was measured.

    benchmarks/setup_peers.sh && python3 benchmarks/run.py [JOB ...]

Standard library only; peers run in their own environments. Repetitions are interleaved (A B C A B
C ...), each with an empty WINDLASS_HOME. Writes results/DATE-NAME.json and .md. The statistics are
medians with 95 % intervals by order statistics; nothing is claimed where intervals overlap.
`--quick` runs everything once on few rows to show that it runs; it measures nothing, and its
result goes to .data, not to results/.
"""

import argparse
import datetime
import fnmatch
import json
import pathlib
import shutil
import sys
import tempfile

import contenders
import intervals
import machine
from jobs import JOBS

METRICS = ["wall_s", "cpu_s", "command_wall_s", "command_cpu_s"]
BUSY = 0.5  # processes waiting for a core, before the first repetition


def measure(job, arguments, keep):
    """Returns a dict from contender to its samples, one a repetition."""
    sides = [side for side in job["contenders"]
             if not arguments.peers_only or isinstance(side, contenders.Peer)]
    repetitions = 1 if arguments.quick else arguments.repetitions or job["repetitions"]
    samples = {side.name: [] for side in sides}
    if not job.keys() & {"errors", "differences"}:
        keep = None
    for repetition in range(repetitions):
        for side in sides:
            with tempfile.TemporaryDirectory(dir=contenders.DATA) as folder:
                context = contenders.Context(
                    windlass=arguments.windlass.resolve(), programs=arguments.programs.resolve(),
                    repetition=repetition, folder=pathlib.Path(folder), keep=keep,
                    quick=arguments.quick)
                samples[side.name].append(side.run(context))
            print(f"  {repetition + 1}/{repetitions} {side.name}: "
                  f"{samples[side.name][-1][side.metric]:.4g} s", flush=True)
    return samples


def costs(samples, metric):
    """Cost of a unit of work in each repetition, or None where the process does not tell."""
    if any(metric not in sample for sample in samples):
        return None
    return [sample[metric] / sample["rows"] for sample in samples]


def summarise(job, samples):
    """Medians, claims and ratios, all with intervals."""
    result = {"costs": {}, "comparisons": [], "ratios": {}}
    for name, found in samples.items():
        result["costs"][name] = {}
        for metric in METRICS:
            values = costs(found, metric)
            if values is not None:
                result["costs"][name][metric] = intervals.median_interval(values)
    for a, b in job.get("compare", []):
        if a not in samples or b not in samples:
            continue
        for metric in ("wall_s", "cpu_s"):
            ours, theirs = result["costs"][a][metric], result["costs"][b][metric]
            ratio = intervals.ratio_interval(costs(samples[b], metric), costs(samples[a], metric))
            result["comparisons"].append(
                {"of": b, "over": a, "metric": metric, "ratio": ratio,
                 "claim": not intervals.overlap(ours[1], theirs[1])})
    paired = {}
    for label, numerator, denominator, metric in job.get("ratios", []):
        if numerator in samples and denominator in samples:
            above, below = costs(samples[numerator], metric), costs(samples[denominator], metric)
            paired[label] = [x / y for x, y in zip(above, below)]
    for label, numerator, denominator in job.get("shares", []):
        if numerator in paired and denominator in paired:
            paired[label] = [x / y for x, y in zip(paired[numerator], paired[denominator])]
    for label, name, metric in job.get("rates", []):
        if name in samples:
            paired[label] = [60 / cost for cost in costs(samples[name], metric)]
    result["ratios"] = {label: intervals.median_interval(v) for label, v in paired.items()}
    return result


def measure_errors(job, samples, quick):
    """RMS errors against exact values, computed outside every clock."""
    files = {name: [sample["attributions"] for sample in samples[name]]
             for name in job.get("errors", []) if name in samples}
    if not files:
        return {}
    first = job["contenders"][0]
    rows = first.quick_rows if quick else first.rows
    request = {"files": files, "data": str(contenders.adult_like(rows)),
               "rows": min(rows, job["error_rows"])}
    text, _ = contenders.spawn(
        [contenders.python_of("numpy_exact"),
         contenders.HERE / "peers" / "numpy_exact" / "errors.py", json.dumps(request)],
        contenders.ONE_THREAD)
    return contenders.last_json(text, "errors.py")


def measure_differences(job, samples):
    """Largest differences from one contender's attributions, on the rows that both have."""
    if "differences" not in job or job["differences"][0] not in samples:
        return {}
    reference, others, tolerance = job["differences"]
    request = {"reference": samples[reference][0]["attributions"],
               "files": {name: [sample["attributions"] for sample in samples[name]]
                         for name in others if name in samples}}
    text, _ = contenders.spawn(
        [contenders.python_of("numpy_exact"),
         contenders.HERE / "peers" / "numpy_exact" / "differences.py", json.dumps(request)],
        contenders.ONE_THREAD)
    found = contenders.last_json(text, "differences.py")
    for name, entry in found.items():
        entry |= {"of": reference, "tolerance": tolerance, "within": entry["max"] <= tolerance}
        if not entry["within"]:
            print(f"run.py: {name} differs from {reference} by {entry['max']:.3g}",
                  file=sys.stderr)
    return found


def markdown(result):
    """The result as a page for people."""
    place = result["machine"]
    lines = [f"# {result['name']}, {result['date']}", ""]
    if result["quick"]:
        lines += ["**A trial of the programs on few rows: not a measurement.**", ""]
    lines += [f"{place['processor']}, {place['cores']} cores "
              f"({', '.join(place['instruction_sets'])}), {place['memory']}; {place['system']}, "
              f"Linux {place['kernel']}; {place['compiler']}; commit {place['commit']}"
              + (f" with {place['changed_files']} changed files" if place["changed_files"] else "")
              + f"; windlass: {result['windlass']}.", ""]
    if result["load_before"] > BUSY:
        lines += [f"The machine was busy: load average {result['load_before']:.2f} before the "
                  "first repetition.", ""]
    lines += ["Medians over interleaved repetitions [95 % interval of the median, by order "
              "statistics; none below 6 repetitions].", ""]
    for job in result["jobs"].values():
        lines += [f"## {job['title']}", "",
                  f"| | repetitions | {job['unit']}s each | wall s a {job['unit']} | "
                  f"CPU s a {job['unit']} | whole command, wall s | peak MiB |",
                  "| --- | --- | --- | --- | --- | --- | --- |"]
        for name, costs_of in job["summary"]["costs"].items():
            found = job["samples"][name]
            whole, interval = intervals.median_interval([s["command_wall_s"] for s in found])
            cells = [intervals.written(*costs_of[m]) if m in costs_of else "" for m in METRICS[:2]]
            cells += [intervals.written(whole, interval),
                      f"{max(s['command_rss_mib'] for s in found):.0f}"]
            lines.append(f"| {name} | {len(found)} | {found[0]['rows']:,} | {' | '.join(cells)} |")
        lines.append("")
        for entry in job["summary"]["comparisons"]:
            metric = {"wall_s": "wall", "cpu_s": "CPU"}[entry["metric"]]
            if entry["claim"]:
                lines.append(f"- {entry['of']} takes {intervals.written(*entry['ratio'])} times "
                             f"the {metric} seconds of {entry['over']}.")
            else:
                lines.append(f"- {entry['of']} and {entry['over']}, {metric} seconds: no claim, "
                             "the intervals overlap or are unknown.")
        for label, ratio in job["summary"]["ratios"].items():
            lines.append(f"- {label}: {intervals.written(*ratio)}")
        for name, error in job["errors"].items():
            lines.append(f"- {name}, error against exact: RMS "
                         f"{intervals.written(error['rms'], error['rms_interval'])} over "
                         f"{error['rows']:,} rows and {error['runs']} runs, largest "
                         f"{intervals.number(error['max'])}")
            common = error.get("common", error)
            if len(job["errors"]) > 1 and common["rows"] != error["rows"]:
                lines.append(f"  - on the {common['rows']} rows that all have: RMS "
                             f"{intervals.written(common['rms'], common['rms_interval'])}")
        for name, entry in job["differences"].items():
            lines.append(f"- {name}, largest difference from {entry['of']}: "
                         f"{intervals.number(entry['max'])} over {entry['rows']:,} rows, "
                         + ("within" if entry["within"] else "**above**")
                         + f" {entry['tolerance']:g}")
        for name, found in job["samples"].items():
            kernels = sorted({f"{lib['internal_api']} {lib['version']} {lib['architecture']}"
                              for lib in found[0].get("libraries", []) if lib["architecture"]})
            if found[0].get("versions"):
                lines.append(f"- {name}: {json.dumps(found[0]['versions'])}; "
                             f"linear algebra: {', '.join(kernels) or 'none'}")
        lines.append("")
    return "\n".join(lines)


def write(result):
    """Writes the result and its page; returns their path without an ending."""
    folder = contenders.DATA if result["quick"] else contenders.HERE / "results"
    folder.mkdir(exist_ok=True)
    stem = folder / f"{result['date']}-{result['name']}"
    for ending, text in ((".json", json.dumps(result, indent=1) + "\n"), (".md", markdown(result))):
        beside = stem.with_name(stem.name + ending + ".part")
        beside.write_text(text)
        beside.replace(stem.with_name(stem.name + ending))
    return stem


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("jobs", nargs="*", metavar="JOB",
                        help=f"of {', '.join(JOBS)}, or a pattern such as 'trees_*'; default: all")
    parser.add_argument("--windlass", type=pathlib.Path,
                        default=contenders.ROOT / "build" / "release" / "bin" / "windlass")
    parser.add_argument("--programs", type=pathlib.Path,
                        default=contenders.ROOT / "build" / "release" / "benchmarks",
                        help="folder of store_100k and arrow_start")
    parser.add_argument("--repetitions", type=int, help="at least 7; default: what the job says")
    parser.add_argument("--name", help="of the result; default: the job's, or all")
    parser.add_argument("--peers-only", action="store_true")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.jobs if not fnmatch.filter(JOBS, name)]
    if unknown:
        parser.error(f"no job {unknown[0]!r}; known: {', '.join(JOBS)}")
    if arguments.repetitions is not None and arguments.repetitions < 7:
        parser.error("fewer than 7 repetitions give no 95 % interval worth keeping")
    names = [name for name in JOBS
             if not arguments.jobs or any(fnmatch.fnmatch(name, asked) for asked in arguments.jobs)]
    if not arguments.peers_only and not arguments.windlass.exists():
        parser.error(f"{arguments.windlass} is missing: build it, or give --windlass or "
                     "--peers-only")

    contenders.DATA.mkdir(exist_ok=True)
    version = "not measured"
    if not arguments.peers_only:
        version = contenders.spawn([arguments.windlass, "--version"])[0].strip()
    result = {"name": arguments.name or (names[0] if len(names) == 1 else "all"),
              "date": datetime.date.today().isoformat(), "quick": arguments.quick,
              "machine": machine.describe(contenders.ROOT), "windlass": version,
              "load_before": machine.load_average(), "jobs": {}}
    if result["load_before"] > BUSY:
        print(f"run.py: the machine is busy (load average {result['load_before']:.2f})",
              file=sys.stderr)
    stem = None
    for name in names:
        job = JOBS[name]
        print(name, flush=True)
        keep = pathlib.Path(tempfile.mkdtemp(dir=contenders.DATA))
        try:
            samples = measure(job, arguments, keep)
            if not samples:
                continue
            errors = measure_errors(job, samples, arguments.quick)
            differences = measure_differences(job, samples)
        finally:
            shutil.rmtree(keep)
        for found in samples.values():
            for sample in found:
                sample.pop("attributions", None)
        result["jobs"][name] = {"title": job["title"], "unit": job["unit"], "samples": samples,
                                "summary": summarise(job, samples), "errors": errors,
                                "differences": differences}
        result["load_after"] = machine.load_average()
        stem = write(result)  # after each job, so that a later one that fails loses nothing
    if stem is not None:
        print(f"{stem}.md")


if __name__ == "__main__":
    try:
        main()
    except contenders.Failure as failure:
        sys.exit(f"run.py: {failure}")
