// The frame that the charts of this page share: one line a label, a horizontal scale, and labels
// on the left, or above each line where the page is narrow.
import * as Plot from "@observablehq/plot";

export const narrow = (width: number): boolean => width < 560;

let pen: CanvasRenderingContext2D | null = null;
let family = ""; // asked for once: to ask makes the browser work out styles

export function textWidth(text: string, weight = 400): number {
  pen ??= document.createElement("canvas").getContext("2d");
  if (pen === null) return text.length * 7.5;
  if (family === "") family = getComputedStyle(document.body).fontFamily;
  pen.font = `${weight} 13px ${family}`;
  return pen.measureText(text).width;
}

// `text`, shortened with an ellipsis until it fits.
export function fit(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  const letters = Array.from(text);
  let low = 0;
  let high = letters.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const short = `${letters.slice(0, middle).join("").trimEnd()}\u2026`;
    if (textWidth(short) <= width) low = middle;
    else high = middle - 1;
  }
  return `${letters.slice(0, low).join("").trimEnd()}\u2026`;
}

export interface Rows {
  width: number;
  height: number;
  left: number;
  right: number;
  top: number;
  bottom: number;
  half: number; // half the height of what is drawn in a line, in pixels
  middle(k: number): number; // its vertical centre, in pixels
  domain: [number, number];
  x(value: number): number; // pixels
  labels: Plot.Markish[];
}

export interface RowsOptions {
  width: number;
  labels: string[];
  pitch: number; // pixels from line to line, labels above them not counted
  half: number;
  top?: number;
  right?: number;
  domain: [number, number];
  details?: string[]; // shown after the label, quieter
  gap?: { before: number; size: number }; // more room before that line, in pixels
}

export function layoutRows(options: RowsOptions): Rows {
  const { width, labels, half, domain, top = 8, right = 16, details, gap } = options;
  const stacked = narrow(width);
  const full = labels.map((label, k) => (details?.[k] ? `${label} ${details[k]}` : label));
  const widest = Math.max(40, ...full.map((label) => textWidth(label)));
  const left = stacked ? 6 : Math.min(Math.ceil(widest) + 18, Math.round(width * 0.36));
  const pitch = options.pitch + (stacked ? 18 : 0);
  const bottom = 40;
  const height = top + pitch * labels.length + (gap?.size ?? 0) + bottom;
  const pushed = (k: number) => (gap !== undefined && k >= gap.before ? gap.size : 0);
  const middle = (k: number) =>
    top + pitch * k + (stacked ? 18 : 0) + options.pitch / 2 + pushed(k);
  const room = stacked ? width - left - 4 : left - 18;
  const lines = full.map((label, k) => ({ label, short: fit(label, room), k }));
  const [low, high] = domain;
  return {
    width,
    height,
    left,
    right,
    top,
    bottom,
    half,
    middle,
    domain,
    x: (value) => left + ((value - low) / (high - low)) * (width - left - right),
    labels: [
      Plot.text(lines, {
        text: "short",
        y: (d: { k: number }) => (stacked ? middle(d.k) - options.pitch / 2 - 9 : middle(d.k)),
        frameAnchor: "left",
        textAnchor: stacked ? "start" : "end",
        dx: stacked ? 0 : -12,
        fill: "var(--ink)",
        stroke: "var(--card)", // keeps lines of the chart from crossing the letters
        strokeWidth: stacked ? 5 : 0,
        className: "row-labels",
        render: tagged(
          lines,
          () => ({}),
          (d) => (d.short === d.label ? "" : d.label),
        ),
      }),
    ],
  };
}

// The axis below and its grid lines. `label` says quantity and unit.
export function xAxis(rows: Rows, label: string): Plot.Markish[] {
  const ticks = Math.max(3, Math.floor((rows.width - rows.left) / 90));
  return [
    Plot.gridX({ stroke: "var(--line)", strokeOpacity: 1, ticks }),
    Plot.axisX({
      anchor: "bottom",
      tickSize: 0,
      ticks,
      label,
      labelAnchor: "center",
      labelArrow: "none",
      fill: "var(--soft)",
      tickPadding: 6,
      labelOffset: 36,
    }),
  ];
}

export const zeroLine = (): Plot.Markish =>
  Plot.ruleX([0], { stroke: "var(--rule)", strokeWidth: 1.5 });

// Draws `marks`, of which the last is the tip or null, in the frame of `rows`.
export function draw(
  rows: Rows,
  ariaLabel: string,
  role: "img" | "group",
  marks: Plot.Markish[],
): SVGSVGElement {
  const plot = Plot.plot({
    width: rows.width,
    height: rows.height,
    marginLeft: rows.left,
    marginRight: rows.right,
    marginTop: rows.top,
    marginBottom: rows.bottom,
    x: { domain: rows.domain },
    y: { type: "identity", axis: null },
    color: { type: "identity" },
    ariaLabel,
    style: { fontSize: "13px" },
    marks: [...marks.slice(0, -1), ...rows.labels, ...marks.slice(-1)], // the tip stays on top
  }) as unknown as SVGSVGElement;
  plot.setAttribute("role", role);
  return plot;
}

export interface Whisker {
  low: number;
  high: number;
}

// Whiskers of 95 % intervals, cut off at the ends of the axis; their edges in the colour of the
// card let them be seen on bars as well.
export function whiskerMarks<T extends Whisker>(
  rows: Rows,
  data: T[],
  y: (datum: T) => number,
): Plot.Markish[] {
  if (data.length === 0) return [];
  const [least, most] = rows.domain;
  const cap = Math.min(4, rows.half / 2);
  const low = (d: T) => Math.max(least, d.low);
  const high = (d: T) => Math.min(most, d.high);
  const line = { stroke: "var(--ink)", strokeWidth: 1.5, pointerEvents: "none" } as const;
  const ends = data.flatMap((d) =>
    [d.low, d.high]
      .filter((x) => x >= least && x <= most)
      .map((x) => ({ x, y: y(d) })),
  );
  return [
    Plot.ruleY(data, {
      ...line,
      stroke: "var(--card)",
      strokeWidth: 4,
      strokeOpacity: 0.75,
      x1: low,
      x2: high,
      y,
    }),
    Plot.ruleY(data, {
      ...line,
      x1: low,
      x2: high,
      y,
      className: "whiskers",
      render: tagged(data, (d) => ({ "data-low": String(d.low), "data-high": String(d.high) })),
    }),
    Plot.ruleX(ends, {
      ...line,
      x: "x",
      y1: (d: { y: number }) => d.y - cap,
      y2: (d: { y: number }) => d.y + cap,
    }),
  ];
}

export const tipStyle = {
  lineHeight: 1.35,
  textPadding: 10,
  stroke: "var(--rule)",
  fill: "var(--card)",
} as const;

// [low, high] of the finite numbers and `anchor`, widened by `share` on each side, never empty.
export function extent(values: Iterable<number>, anchor: number, share: number): [number, number] {
  let low = anchor;
  let high = anchor;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) return [low - 1, high + 1];
  const pad = (high - low) * share;
  return [low - pad, high + pad];
}

// Gives each drawn element of a mark the attributes of its datum, and a title where there is one.
export function tagged<T>(
  data: T[],
  attributes: (datum: T) => Record<string, string>,
  title: (datum: T) => string = () => "",
): Plot.RenderFunction {
  return (index, scales, values, dimensions, context, next) => {
    const group = next!(index, scales, values, dimensions, context)!;
    index.forEach((i, k) => {
      const element = group.children[k];
      for (const [name, value] of Object.entries(attributes(data[i]))) {
        element.setAttribute(name, value);
      }
      if (title(data[i]) !== "") {
        const hint = document.createElementNS("http://www.w3.org/2000/svg", "title");
        hint.textContent = title(data[i]);
        element.append(hint);
      }
    });
    return group;
  };
}
