// Dependence: the attribution of one group against its value. Numbers make a scatter; categories,
// and numbers with a handful of values, one line of dots each; a group of several columns without a
// value of its own only has a spread.
import * as Plot from "@observablehq/plot";
import { colourBy } from "./colour";
import { chooseRows, quantile, type Report } from "./data";
import { addDot, type Dots, layDots, makeDots } from "./dots";
import {
  amount,
  count,
  decimalsFor,
  fixed,
  labelled,
  plain,
  plusMinus,
  signed,
  unit,
} from "./format";
import { draw, extent, layoutRows, narrow, xAxis, zeroLine } from "./rows";
import { stackOffsets } from "./swarm";

const maxDots = 5000;
const fewValues = 6;
const maxLines = 24;

export interface Dependence {
  chart: HTMLElement | null;
  legend: Node[];
  caption: string;
}

export interface DependenceOptions {
  width: number;
  output: number;
  group: number;
  rows: readonly number[]; // of the page, to draw
  colour: number | null;
  selected: number;
}

interface Line {
  label: string;
  value: number; // NaN: rows without a value
  phis: number[]; // of all shown rows, ascending
}

export function dependenceChart(report: Report, options: DependenceOptions): Dependence {
  const { output, group, colour } = options;
  const complete = options.rows.filter((i) => Number.isFinite(report.phi(i, output, group)));
  if (complete.length === 0) {
    return { chart: null, legend: [], caption: "No row has an attribution that can be drawn." };
  }
  const values = new Set<number>();
  for (const i of complete) {
    const value = report.value(i, group);
    if (Number.isFinite(value) && values.size <= fewValues) values.add(value);
  }
  const asLines = report.groups[group].kind !== "numeric" || values.size <= fewValues;
  const drawn = chooseRows(report, complete, output, maxDots, [group]);
  const colouring = colourBy(report, colour);
  const parts = asLines
    ? strips(report, options, complete, drawn, colouring.of)
    : scatter(report, options, complete, drawn, colouring.of);
  const captions = [parts.caption];
  if (drawn.length < complete.length) {
    captions.push(`${count(drawn.length)} of ${count(complete.length)} rows are drawn.`);
  }
  return {
    chart: parts.chart,
    legend: colouring.legend(),
    caption: captions.filter((text) => text !== "").join(" "),
  };
}

type Part = { chart: HTMLElement; caption: string };

function tipText(report: Report, options: DependenceOptions): (i: number) => string {
  const { output, group, colour } = options;
  return (i) => {
    const phi = report.phi(i, output, group);
    const size = signed(phi, decimalsFor(Math.abs(phi)));
    return (
      `${labelled(report, i, group)}\n` +
      `\u03c6 ${amount(report, size + plusMinus(report, i, output, group))}\n` +
      (colour === null ? "" : `${labelled(report, i, colour)}\n`) +
      `Row ${count(report.row(i))}`
    );
  };
}

interface Look {
  width: number;
  height: number;
  radius: number;
  opacity: number;
  lines?: { x: number; y1: number; y2: number }[];
}

// The dots over their frame, with a ring around the row chosen.
function overlay(
  report: Report,
  options: DependenceOptions,
  chart: SVGSVGElement,
  dots: Dots,
  look: Look,
): HTMLElement {
  const text = tipText(report, options);
  const layer = layDots(chart, dots, look.width, look.height, {
    radius: look.radius,
    opacity: look.opacity,
    tip: (k) => text(dots.row[k]),
    lines: look.lines,
  });
  const place = dots.row.indexOf(options.selected);
  if (place >= 0 && place < dots.count) layer.circle([[dots.x[place], dots.y[place]]]);
  return layer.element;
}

function scatter(
  report: Report,
  options: DependenceOptions,
  complete: number[],
  drawn: number[],
  colourOf: (i: number) => string,
): Part {
  const { width, output, group } = options;
  const points = drawn.filter((i) => Number.isFinite(report.value(i, group)));
  const without = complete.filter((i) => !Number.isFinite(report.value(i, group))).length;
  const range = extent(
    points.map((i) => report.phi(i, output, group)),
    0,
    0.04,
  );
  const x = (i: number) => report.value(i, group);
  const y = (i: number) => report.phi(i, output, group);
  const small = narrow(width);
  const height = small ? 300 : 400;
  let [low, high] = [Infinity, -Infinity];
  for (const i of points) {
    low = Math.min(low, x(i));
    high = Math.max(high, x(i));
  }
  const plot = Plot.plot({
    width,
    height,
    marginLeft: small ? 46 : 62,
    marginRight: 14,
    marginTop: 26,
    marginBottom: 42,
    x: { domain: [low, high], nice: false, insetLeft: 8, insetRight: 8 },
    y: { domain: range },
    color: { type: "identity" },
    ariaLabel: "Scatter plot of the attribution of the chosen group against its value",
    style: { fontSize: "13px" },
    marks: [
      Plot.gridY({ stroke: "var(--line)", strokeOpacity: 1 }),
      Plot.axisY({
        tickSize: 0,
        fill: "var(--soft)",
        labelArrow: "none",
        label: `\u03c6${report.logit ? ` (${unit(report)})` : ""}`,
      }),
      Plot.axisX({
        tickSize: 4,
        stroke: "var(--rule)",
        fill: "var(--soft)",
        label: report.groups[group].name,
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 38,
        ticks: small ? 5 : 10,
        tickFormat: (value: number) => plain(value),
      }),
      Plot.ruleY([0], { stroke: "var(--rule)", strokeWidth: 1.5 }),
    ],
  });
  const chart = plot as unknown as SVGSVGElement;
  const [toX, toY] = [plot.scale("x")!, plot.scale("y")!];
  chart.setAttribute("role", "img");
  const dots = makeDots(points.length);
  for (const i of points) addDot(dots, i, toX.apply(x(i)), toY.apply(y(i)), colourOf(i));
  const look = { width, height, radius: small ? 2 : 2.6, opacity: 0.7 };
  return {
    chart: overlay(report, options, chart, dots, look),
    caption: without > 0 ? `${count(without)} rows have no value and are not drawn.` : "",
  };
}

function linesOf(report: Report, options: DependenceOptions, complete: number[]): Line[] {
  const { output, group } = options;
  const { kind, name } = report.groups[group];
  const phisOf = new Map<number, number[]>();
  for (const i of complete) {
    const raw = report.value(i, group);
    const value = Number.isFinite(raw) ? raw : NaN;
    const phis = phisOf.get(value);
    if (phis) phis.push(report.phi(i, output, group));
    else phisOf.set(value, [report.phi(i, output, group)]);
  }
  const label = (value: number) => {
    if (Number.isNaN(value)) return kind === "none" ? name : "no value";
    return kind === "category"
      ? (report.groups[group].categories[value] ?? `category ${plain(value)}`)
      : plain(value);
  };
  const lines = [...phisOf].map(([value, phis]) => ({
    label: label(value),
    value,
    phis: Float64Array.from(phis).sort() as unknown as number[],
  }));
  // Numbers have an order of their own; categories stand from what raises the prediction most.
  if (kind === "numeric") return lines.sort((a, b) => a.value - b.value);
  return lines.sort((a, b) => quantile(b.phis, 0.5) - quantile(a.phis, 0.5) || a.value - b.value);
}

function strips(
  report: Report,
  options: DependenceOptions,
  complete: number[],
  drawn: number[],
  colourOf: (i: number) => string,
): Part {
  const { width, output, group } = options;
  const { kind } = report.groups[group];
  const all = linesOf(report, options, complete);
  const kept = new Set([...all].sort((a, b) => b.phis.length - a.phis.length).slice(0, maxLines));
  const lines = all.filter((line) => kept.has(line));
  const single = lines.length === 1;
  const rows = layoutRows({
    width,
    labels: lines.map((line) => line.label),
    details: lines.map((line) => (single ? "" : `(${count(line.phis.length)})`)),
    pitch: single ? 150 : 42,
    half: single ? 64 : 16,
    top: 12,
    domain: extent(
      lines.flatMap((line) => [line.phis[0], line.phis[line.phis.length - 1]]),
      0,
      0.03,
    ),
  });
  const decimals = decimalsFor(Math.max(...rows.domain.map(Math.abs)));
  const radius = narrow(width) ? 1.8 : 2.4;
  const dots = makeDots(drawn.length);
  lines.forEach((line, k) => {
    const members = drawn.filter((i) => {
      const raw = report.value(i, group);
      return Object.is(Number.isFinite(raw) ? raw : NaN, line.value);
    });
    const x = members.map((i) => rows.x(report.phi(i, output, group)));
    const offsets = stackOffsets(x, rows.half, radius * 1.5);
    members.forEach((i, place) => {
      addDot(dots, i, x[place], rows.middle(k) + offsets[place], colourOf(i));
    });
  });
  const boxes = lines.map((line, k) => ({
    k,
    low: quantile(line.phis, 0.25),
    middle: quantile(line.phis, 0.5),
    high: quantile(line.phis, 0.75),
  }));
  type Box = (typeof boxes)[number];
  const chart = draw(rows, "The attributions of the chosen group, one line a value", "img", [
    ...xAxis(rows, `\u03c6${report.logit ? ` (${unit(report)})` : ""}`),
    zeroLine(),
    Plot.rect(boxes, {
      x1: "low",
      x2: "high",
      y1: (d: Box) => rows.middle(d.k) - rows.half - 2,
      y2: (d: Box) => rows.middle(d.k) + rows.half + 2,
      fill: "var(--box)",
      rx: 3,
    }),
    null, // no tip of Plot's
  ]);
  const spread = `median ${fixed(boxes[0].middle, decimals)}`;
  const captions = [
    kind === "none"
      ? `This group has no single value; this is the spread of its attributions (${spread}).`
      : "The upright line is a value\u2019s median, the shaded box its middle half.",
  ];
  if (lines.length < all.length) {
    captions.push(
      `The ${count(lines.length)} most frequent of ${count(all.length)} values are drawn.`,
    );
  }
  const medians = boxes.map((box) => ({
    x: rows.x(box.middle),
    y1: rows.middle(box.k) - rows.half - 2,
    y2: rows.middle(box.k) + rows.half + 2,
  }));
  const look = { width: rows.width, height: rows.height, radius, opacity: 0.75, lines: medians };
  return { chart: overlay(report, options, chart, dots, look), caption: captions.join(" ") };
}
