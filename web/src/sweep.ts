// The page of a sweep: fills in the words, the table, and draws the chart as the reader chose.
import { swatch } from "./colour";
import { emphasise, find, h, options, say } from "./dom";
import { count, decimalsFor, fixed, plain, plural } from "./format";
import { colourOf, seconds, sweepChart } from "./sweep-chart";
import { Sweep, type Configuration, type Measure, type Series } from "./sweep-data";

const measures: [Measure, string][] = [
  ["wall_s", "the whole run"],
  ["compute_wall_s", "the computation alone"],
];

let sweep: Sweep;
const state = { measure: "wall_s" as Measure, logarithmic: false };

function headline(): string[] {
  const best = sweep.fastest;
  const base = sweep.baseOf(best);
  const time = seconds(best.wall_s.median);
  const kind = sweep.modeOf(best) === "serve" ? "replica" : "worker";
  const who = plural(best.workers, kind);
  if (best.workers > base.workers) {
    const times = fixed(base.wall_s.median / best.wall_s.median, 2);
    const alone = base.workers === 1 ? "one" : plain(base.workers);
    const gain = `${times} times as fast as ${alone}`;
    return ["", who, ` explain ${count(sweep.rows)} rows in ${time}: ${gain}.`];
  }
  const verb = best.workers === 1 ? "explains" : "explain";
  const others = sweep.workers.length > 1 ? "; more were not faster" : "";
  return ["", who, ` ${verb} ${count(sweep.rows)} rows in ${time}${others}.`];
}

function fillWords(): void {
  const { document: d } = sweep;
  const { machine } = d;
  const when = d.started.replace("T", " ").replace("Z", " UTC");
  document.title = `Windlass sweep, ${when}`;
  say("#when", `\u00b7 ${when}`);
  say("#headline", ...emphasise("em", ...headline()));
  const order = d.engine.startsWith("cluster ")
    ? "one number of workers after the other"
    : "interleaved";
  const planned = d.workers.length * d.batches.length * d.nruns * (sweep.both ? 2 : 1);
  const runs =
    d.stopped === null
      ? `${plural(d.samples.length, "run")}, ${count(d.nruns)} of each of ` +
        `${plural(d.summary.length, "configuration")}, ${order}`
      : `${count(d.samples.length)} of ${plural(planned, "run")} (${d.stopped})`;
  const busy =
    machine.load_before > 0.5 * machine.cores
      ? ` The machine was busy with other work: ${fixed(machine.load_before, 1)} running ` +
        `processes on average in the minute before, for ${plural(machine.cores, "core")}; ` +
        "read with care."
      : "";
  say("#lede", `${runs}; no result was remembered between them.${busy}`);
  const service =
    "a service over HTTP, its replicas the workers, " +
    (d.batching === "ray" ? "a row a request" : "a batch a request");
  const fact = (name: string, value: string, note = "") =>
    h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, note)));
  say(
    "#facts",
    fact("Machine", machine.host, machine.cpu),
    fact("Cores", count(machine.cores), machine.system),
    fact("Rows a run", count(sweep.rows), String(d.spec.data ?? "").split("/").pop()),
    fact("Method", d.method, d.reason),
    fact(
      "Engine",
      d.engine,
      [sweep.has("pool") ? "memo table off" : "", sweep.has("serve") ? service : ""]
        .filter((text) => text !== "")
        .join("; serve: "),
    ),
  );
  const more =
    !sweep.elsewhere && sweep.workers[sweep.workers.length - 1] > machine.cores;
  say(
    "#sweep-text",
    "Each dot is a run, each ring the median of its configuration. A dashed line is where the ",
    "time would go if it divided perfectly among the workers, from the fewest on.",
    more ? ` Beyond ${plural(machine.cores, "core")}, workers share them.` : "",
  );
  say(
    "#numbers-text",
    "Median, and from the shortest to the longest run, in seconds. Speed-up is against one worker ",
    `with the same ${sweep.both ? "mode and " : ""}batch size${sweep.both ? "" : "; efficiency is speed-up a worker"}.`,
  );
  const spec = Object.entries(d.spec)
    .filter(([key, value]) => value !== null && key !== "kind" && key !== "version")
    .map(([key, value]) => `${key} ${String(value)}`);
  say("#spec", `The job: ${spec.join(", ")}.`);
  const ofJobs =
    "The whole run is from reading model and tables to all outputs in place, with its start and " +
    "its end on one thread; the computation alone is from loaded tables to attributions in memory.";
  const ofService =
    "A run is from the first request to the last answer; the service had started before, and the " +
    "computation is not told apart. CPU seconds are of the clients too.";
  say(
    "#reading",
    sweep.both
      ? `Jobs (pool): ${ofJobs} A service (serve): ${ofService}`
      : sweep.has("serve")
        ? ofService
        : ofJobs,
  );
  const versions = Object.entries(d.versions)
    .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)])
    .filter(([, value]) => value !== "" && value !== "null")
    .map((pair) => pair.join(" "));
  say(
    "#version",
    `Versions: ${versions.join(", ")}. This file needs nothing else: no network, no server.`,
  );
}

function table(): HTMLTableElement {
  const number = { class: "number" };
  const head = (text: string) => h("th", { scope: "col", ...number }, text);
  const digits = (value: number) => fixed(value, decimalsFor(value));
  const best = sweep.fastest;
  const row = (one: Configuration, k: number) =>
    h(
      "tr",
      k === 0 ? { class: "first" } : {},
      ...(sweep.both ? [h("td", {}, sweep.modeOf(one))] : []),
      h("td", number, count(one.workers)),
      h("td", number, count(one.batch)),
      h("td", number, count(one.runs)),
      h("td", { class: one === best ? "number best" : "number" }, digits(one.wall_s.median)),
      h("td", number, `${digits(one.wall_s.min)} \u2013 ${digits(one.wall_s.max)}`),
      h("td", number, digits(one.compute_wall_s.median)),
      h("td", number, digits(one.median_cpu_s)),
      h("td", number, count(one.rows_per_s)),
      h("td", number, one.speed_up === null ? "\u2013" : fixed(one.speed_up, 2)),
      ...(sweep.both
        ? [] // there is no room for it
        : [
            h(
              "td",
              number,
              one.speed_up === null
                ? "\u2013"
                : `${fixed((100 * one.speed_up) / one.workers, 0)} %`,
            ),
          ]),
    );
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ...(sweep.both ? [h("th", { scope: "col" }, "Mode")] : []),
        head("Workers"),
        head("Batch"),
        head("Runs"),
        head("Median"),
        head("Shortest \u2013 longest"),
        head("Computation"),
        head("CPU"),
        head("Rows/s"),
        head("Speed-up"),
        ...(sweep.both ? [] : [head("Efficiency")]),
      ),
    ),
    h("tbody", {}, ...sweep.series.flatMap((series) => series.points.map(row))),
  );
}

function drawChart(): void {
  const place = find("#sweep .chart");
  const width = Math.max(260, Math.floor(place.clientWidth));
  place.replaceChildren(sweepChart(sweep, { width, ...state }));
}

function labelOf({ mode, batch }: Series): string {
  const rows = plural(batch, "row");
  const each =
    mode === "pool"
      ? `${rows} a task`
      : sweep.document.batching === "ray"
        ? `batches of up to ${rows}`
        : `${rows} a request`;
  return sweep.both ? `${mode}, ${each}` : each;
}

function fillLegend(): void {
  const marks = sweep.series.map((series, k) =>
    swatch(colourOf(k), labelOf(series)),
  );
  const mark = (kind: string, label: string) =>
    h("span", { class: "swatch" }, h("i", { class: kind, "aria-hidden": "true" }), label);
  say("#sweep .legend", ...marks, mark("ring", "median"), mark("dash", "ideal"));
}

function listen(): void {
  find<HTMLSelectElement>("#measure").addEventListener("change", (event) => {
    state.measure = (event.target as HTMLSelectElement).value as Measure;
    drawChart();
  });
  find("#logarithmic").addEventListener("click", () => {
    state.logarithmic = !state.logarithmic;
    find("#logarithmic").setAttribute("aria-pressed", String(state.logarithmic));
    drawChart();
  });
  let width = innerWidth;
  let timer = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's toolbar changes only the height
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawChart, 80);
  });
}

try {
  sweep = Sweep.fromPage();
  options(find("#measure"), measures, state.measure);
  fillWords();
  fillLegend();
  say("#numbers .table", table());
  listen();
  drawChart();
} catch (error) {
  say("h1", "This sweep cannot be drawn.");
  say("#lede", error instanceof Error ? error.message : String(error));
  throw error; // for the console, with its place in the code
}
