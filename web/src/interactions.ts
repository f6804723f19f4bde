// Interactions: a square a pair of groups, the darker the more the two act together.
import * as Plot from "@observablehq/plot";
import type { Report } from "./data";
import { h } from "./dom";
import { amount, decimalsFor, fixed } from "./format";
import { fit, tagged, textWidth, tipStyle } from "./rows";

const mostGroups = 14; // more squares than that are too small to tell apart

const opacityOf = (size: number, largest: number): number =>
  largest > 0 && size > 0 ? 0.06 + (0.94 * size) / largest : 0;

export interface Pair {
  a: number; // the more important group of the two
  b: number;
  size: number;
}

// Pairs from the strongest to the weakest.
export function pairsOf(report: Report, output: number): Pair[] {
  const order = report.order(output);
  const pairs: Pair[] = [];
  for (let i = 0; i < order.length; ++i) {
    for (let j = i + 1; j < order.length; ++j) {
      const size = report.meanAbsolutePair(output, order[i], order[j]);
      if (Number.isFinite(size)) pairs.push({ a: order[i], b: order[j], size });
    }
  }
  return pairs.sort((p, q) => q.size - p.size);
}

export function interactionsChart(
  report: Report,
  width: number,
  output: number,
): { chart: SVGSVGElement; groups: number[]; largest: number } {
  // The groups of the strongest pairs, in the order of their importance.
  const wanted = new Set<number>();
  for (const { a, b } of pairsOf(report, output)) {
    if (new Set([...wanted, a, b]).size > mostGroups) break;
    wanted.add(a).add(b);
  }
  const groups = report.order(output).filter((g) => wanted.has(g));
  const names = groups.map((g) => report.groups[g].name);
  // Names run from the diagonal to the right, over the empty half.
  const widest = Math.ceil(Math.max(40, ...names.map((name) => textWidth(name)))) + 14;
  const right = Math.min(widest, Math.round(width * 0.4));
  const side = Math.max(14, Math.min(56, Math.floor((width - right - 8) / groups.length)));
  const cells = groups.flatMap((a, i) =>
    groups.slice(i + 1).map((b, k) => ({
      a,
      b,
      x: i,
      y: i + 1 + k,
      size: report.meanAbsolutePair(output, a, b),
    })),
  );
  type Cell = (typeof cells)[number];
  const largest = Math.max(0, ...cells.map((cell) => cell.size).filter(Number.isFinite));
  const decimals = decimalsFor(largest);
  const rows = groups.map((g, k) => {
    const room = width - side * (k + 1) - 12;
    return { g, k, label: names[k], short: fit(names[k], Math.max(30, room)) };
  });
  const chart = Plot.plot({
    width: Math.min(width, side * groups.length + right + 8),
    height: side * groups.length + 12,
    marginLeft: 4,
    marginRight: Math.min(width, side * groups.length + right + 8) - side * groups.length - 4,
    marginTop: 6,
    marginBottom: 6,
    x: { type: "linear", domain: [0, groups.length], axis: null },
    y: { type: "linear", domain: [groups.length, 0], axis: null },
    ariaLabel: "Heat map of the mean absolute interaction of each pair of groups",
    marks: [
      Plot.text(rows, {
        x: (d) => d.k,
        y: (d) => d.k + 0.5,
        text: "short",
        textAnchor: "start",
        dx: 8,
        fill: "var(--ink)",
        className: "names",
        render: tagged(
          rows,
          (d) => ({ "data-group": String(d.g) }),
          (d) => (d.short === d.label ? "" : d.label),
        ),
      }),
      Plot.rect(cells, {
        x1: "x",
        x2: (d: Cell) => d.x + 1,
        y1: "y",
        y2: (d: Cell) => d.y + 1,
        inset: 1.5,
        rx: 3,
        fill: "var(--accent)",
        fillOpacity: (d: Cell) => opacityOf(d.size, largest),
        stroke: "var(--line)",
        className: "pairs",
        ariaLabel: (d: Cell) =>
          `${report.groups[d.a].name} and ${report.groups[d.b].name}: ${fixed(d.size, decimals)}`,
        render: tagged(cells, (d) => ({ "data-a": String(d.a), "data-b": String(d.b) })),
      }),
      Plot.tip(
        cells,
        Plot.pointer({
          ...tipStyle,
          x: (d: Cell) => d.x + 0.5,
          y: (d: Cell) => d.y + 0.5,
          title: (d: Cell) =>
            `${report.groups[d.a].name} \u00d7 ${report.groups[d.b].name}\n` +
            `moves a prediction by ${amount(report, fixed(d.size, decimals))} on average`,
        }),
      ),
    ],
  });
  return { chart: chart as SVGSVGElement, groups, largest };
}

// What the darkest square and the lightest one stand for.
export function interactionsLegend(report: Report, largest: number): HTMLElement {
  const bar = h("i", { "aria-hidden": "true" });
  for (const part of [0.02, 0.25, 0.5, 0.75, 1]) {
    const opacity = opacityOf(part, 1).toFixed(2);
    bar.append(h("b", { style: `background: var(--accent); opacity: ${opacity}` }));
  }
  return h(
    "span",
    { class: "ramp" },
    "0",
    bar,
    `${amount(report, fixed(largest, decimalsFor(largest)))} (mean |interaction|)`,
  );
}

export function interactionsTable(report: Report, output: number): HTMLTableElement {
  const strongest = pairsOf(report, output).slice(0, 20);
  const decimals = Math.min(8, decimalsFor(strongest[0]?.size ?? 0) + 2);
  const number = { class: "number" };
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Group"),
        h("th", { scope: "col" }, "with"),
        h("th", { scope: "col", ...number }, "Mean |interaction|"),
      ),
    ),
    h(
      "tbody",
      {},
      ...strongest.map(({ a, b, size }) =>
        h(
          "tr",
          {},
          h("td", {}, report.groups[a].name),
          h("td", {}, report.groups[b].name),
          h("td", number, fixed(size, decimals)),
        ),
      ),
    ),
  );
}
