// Time against workers: a line of medians a mode and batch size, every run a dot, and where each line would
// go if the work divided perfectly.
import * as Plot from "@observablehq/plot";
import { decimalsFor, fixed, plain, plural } from "./format";
import { narrow, tagged, tipStyle } from "./rows";
import type { Configuration, Measure, Sample, Series, Sweep } from "./sweep-data";

export interface SweepChartOptions {
  width: number;
  measure: Measure;
  logarithmic: boolean;
}

const idealPoints = 48; // of a curve that is straight only on logarithmic axes
const tickRoom = 30; // pixels between the labels of two numbers of workers

export const seconds = (value: number): string => `${fixed(value, decimalsFor(value))} s`;
export const colourOf = (k: number): string => `var(--c${k % 10})`;

// From the fewest workers on, time divided by how many times as many there are.
function ideal(series: Series, measure: Measure): { workers: number; time: number }[] {
  const first = series.points[0];
  const last = series.points[series.points.length - 1];
  if (first.workers === last.workers) return [];
  const ratio = last.workers / first.workers;
  return Array.from({ length: idealPoints + 1 }, (_, k) => {
    const workers = first.workers * ratio ** (k / idealPoints);
    return { workers, time: (first[measure].median * first.workers) / workers };
  });
}

// The numbers of workers that the axis can name without their labels touching; always the ends.
function ticksOf(workers: number[], at: (value: number) => number): number[] {
  const last = workers[workers.length - 1];
  const kept: number[] = [];
  for (const value of workers) {
    const before = kept[kept.length - 1];
    const crowded = before !== undefined && at(value) - at(before) < tickRoom;
    if (value === last && crowded && kept.length > 1) kept.pop();
    else if (crowded && value !== last) continue;
    kept.push(value);
  }
  return kept;
}

export function sweepChart(sweep: Sweep, options: SweepChartOptions): SVGSVGElement {
  const { width, measure, logarithmic } = options;
  const { workers } = sweep;
  const { cores } = sweep.document.machine;
  const height = Math.round(Math.min(460, Math.max(300, width * 0.46)));
  const marginLeft = 58;
  const marginRight = 20;
  const low = workers[0];
  const high = workers[workers.length - 1];
  const pad = logarithmic ? 2 ** 0.16 : Math.max(0.35, (high - low) * 0.05);
  const domain: [number, number] = logarithmic ? [low / pad, high * pad] : [low - pad, high + pad];
  const room = width - marginLeft - marginRight;
  const scale = logarithmic ? Math.log : (value: number) => value;
  const at = (value: number) =>
    ((scale(value) - scale(domain[0])) / (scale(domain[1]) - scale(domain[0]))) * room;

  const ideals = sweep.series.map((series) => ideal(series, measure));
  const times = [
    ...sweep.document.samples.map((sample) => sample[measure]),
    ...ideals.flat().map((point) => point.time),
  ].filter((time) => time > 0);
  const most = Math.max(...times, 1e-9);
  const least = Math.min(...times, most);
  const range: [number, number] = logarithmic ? [least / 1.12, most * 1.12] : [0, most * 1.06];

  // Lines that would lie on top of each other stand side by side, as far as there is room.
  const gaps = workers.slice(1).map((value, k) => at(value) - at(workers[k]));
  const gap = Math.min(60, ...gaps);
  const step = Math.min(6, (0.5 * gap) / sweep.series.length);
  const radius = narrow(width) || gap < 30 ? 2.4 : 3;
  const shift = (k: number) => (k - (sweep.series.length - 1) / 2) * step;
  const describe = (sample: Sample) =>
    `${sweep.both ? `${sweep.modeOf(sample)}, ` : ""}` +
    `${plural(sample.workers, "worker")}, batch ${plain(sample.batch)}, run ${sample.run}\n` +
    `whole run ${seconds(sample.wall_s)}, CPU ${seconds(sample.cpu_s)}\n` +
    `computation ${seconds(sample.compute_wall_s)}, CPU ${seconds(sample.compute_cpu_s)}`;

  const marks: Plot.Markish[] = [
    Plot.gridY({ stroke: "var(--line)", strokeOpacity: 1, ticks: 6 }),
    Plot.axisY({
      anchor: "left",
      tickSize: 0,
      ticks: 6,
      tickFormat: (value: number) => plain(value),
      label: null,
      fill: "var(--soft)",
      tickPadding: 8,
    }),
    Plot.axisX({
      anchor: "bottom",
      tickSize: 0,
      ticks: ticksOf(workers, at),
      tickFormat: (value: number) => plain(value),
      label: "Workers",
      labelAnchor: "center",
      labelArrow: "none",
      fill: "var(--soft)",
      tickPadding: 8,
      labelOffset: 38,
    }),
    Plot.ruleY([range[0]], { stroke: "var(--rule)" }),
    Plot.text(["Seconds"], {
      frameAnchor: "top-left",
      dx: -marginLeft + 8,
      dy: -20,
      fill: "var(--soft)",
      textAnchor: "start",
    }),
  ];
  if (cores < high && cores > low && !sweep.elsewhere) {
    marks.push(
      Plot.ruleX([cores], { stroke: "var(--rule)", strokeDasharray: "2,3", className: "cores" }),
      Plot.text([{ cores }], {
        x: "cores",
        text: () => plural(cores, "core"),
        frameAnchor: "top",
        textAnchor: "start",
        dx: 6,
        fill: "var(--soft)",
      }),
    );
  }
  ideals.forEach((points, k) => {
    if (points.length === 0) return;
    marks.push(
      Plot.line(points, {
        x: "workers",
        y: "time",
        dx: shift(k),
        stroke: colourOf(k),
        strokeWidth: 1.4,
        strokeDasharray: "5,5",
        strokeOpacity: 0.75,
        className: "ideal",
      }),
    );
  });
  sweep.series.forEach((series, k) => {
    marks.push(
      Plot.line(series.points, {
        x: "workers",
        y: (one: Configuration) => one[measure].median,
        dx: shift(k),
        stroke: colourOf(k),
        strokeWidth: 2.2,
        strokeDasharray: sweep.both && series.mode === "serve" ? "1,4" : undefined,
        strokeLinecap: "round",
        className: "medians",
      }),
    );
  });
  sweep.series.forEach((series, k) => {
    marks.push(
      Plot.dot(series.samples, {
        x: "workers",
        y: measure,
        dx: shift(k),
        r: radius,
        fill: colourOf(k),
        fillOpacity: 0.55,
        className: "runs",
        render: tagged(series.samples, (sample) => ({
          "data-mode": sweep.modeOf(sample),
          "data-workers": String(sample.workers),
          "data-batch": String(sample.batch),
          "data-run": String(sample.run),
        })),
      }),
      Plot.dot(series.points, {
        x: "workers",
        y: (one: Configuration) => one[measure].median,
        dx: shift(k),
        r: radius * 1.7,
        fill: "var(--card)",
        fillOpacity: 0,
        stroke: colourOf(k),
        strokeWidth: 2,
        className: "median-dots",
      }),
    );
  });
  marks.push(
    Plot.tip(
      sweep.document.samples,
      Plot.pointer({ ...tipStyle, x: "workers", y: measure, title: describe }),
    ),
  );
  const plot = Plot.plot({
    width,
    height,
    marginLeft,
    marginRight,
    marginTop: 34,
    marginBottom: 48,
    x: logarithmic ? { type: "log", base: 2, domain } : { domain },
    y: logarithmic ? { type: "log", domain: range } : { domain: range },
    color: { type: "identity" },
    ariaLabel: "Time of a run against the number of workers, a line a mode and batch size",
    style: { fontSize: "13px" },
    marks,
  }) as unknown as SVGSVGElement;
  plot.setAttribute("role", "img");
  return plot;
}
