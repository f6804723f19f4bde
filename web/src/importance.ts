// Global importance: one bar a group, as long as its mean absolute attribution.
import * as Plot from "@observablehq/plot";
import type { Report } from "./data";
import { h } from "./dom";
import { amount, count, decimalsFor, fixed, interval, plural, unit } from "./format";
import { draw, layoutRows, tagged, textWidth, tipStyle, whiskerMarks, xAxis } from "./rows";

export interface ImportanceOptions {
  width: number;
  output: number;
  groups: number[]; // the ones to draw, in order
  onChoose(group: number): void;
}

export function importanceChart(report: Report, options: ImportanceOptions): SVGSVGElement {
  const { width, output, groups } = options;
  const sizes = groups.map((g) => report.meanAbsolute(output, g));
  const largest = Math.max(0, ...sizes.filter(Number.isFinite));
  const decimals = decimalsFor(largest);
  const widths = groups.map((g) => (report.hasIntervals ? report.meanHalfWidth(output, g) : NaN));
  const texts = sizes.map((size, k) => fixed(size, decimals) + interval(widths[k], decimals + 1));
  // Whiskers may widen the axis, but not until bars can no longer be compared.
  const reach = Math.min(2 * largest, farthest(sizes, widths));
  const rows = layoutRows({
    width,
    labels: groups.map((g) => report.groups[g].name),
    pitch: 30,
    half: 10,
    right: Math.ceil(Math.max(...texts.map((text) => textWidth(text, 600)))) + 16,
    domain: [0, reach > 0 ? reach : 1],
  });
  const bars = groups.map((g, k) => ({
    g,
    k,
    size: Number.isFinite(sizes[k]) ? sizes[k] : 0,
    text: texts[k],
    low: Math.max(0, sizes[k] - widths[k]),
    high: sizes[k] + widths[k],
  }));
  const whiskers = bars.filter((bar) => Number.isFinite(widths[bar.k]) && widths[bar.k] > 0);
  type Bar = (typeof bars)[number];
  const total = bars.reduce((sum, bar) => sum + bar.size, 0);
  const tip = (d: Bar) =>
    `${report.groups[d.g].name}\nmoves a prediction by ${amount(report, d.text)} on average` +
    (report.hasIntervals ? `\n${rankWords(report, output, d.g)}` : "") +
    (total > 0 ? `\n${((100 * d.size) / total).toFixed(1)} % of all attribution` : "") +
    (report.groups[d.g].columns.length > 1
      ? `\n${count(report.groups[d.g].columns.length)} columns`
      : "");
  const chart = draw(rows, "Bar chart of the mean absolute attribution of each group", "group", [
    ...xAxis(rows, `mean |\u03c6|${report.logit ? ` (${unit(report)})` : ""}`),
    Plot.rect(bars, {
      x1: 0,
      x2: "size",
      y1: (d: Bar) => rows.middle(d.k) - rows.half,
      y2: (d: Bar) => rows.middle(d.k) + rows.half,
      fill: "var(--accent)",
      rx: 2,
      className: "bars",
      ariaLabel: (d: Bar) => `${report.groups[d.g].name}: ${d.text}`,
      render: tagged(bars, (d) => ({
        "data-group": String(d.g),
        "data-action": "",
        tabindex: "0",
        role: "button",
      })),
    }),
    ...whiskerMarks(rows, whiskers, (d) => rows.middle(d.k)),
    Plot.text(bars, {
      x: (d: Bar) => Math.min(reach, d.high > d.size ? d.high : d.size),
      y: (d: Bar) => rows.middle(d.k),
      text: "text",
      textAnchor: "start",
      dx: 8,
      fill: "var(--ink)",
      fontWeight: 600,
    }),
    Plot.tip(
      bars,
      Plot.pointerY({ ...tipStyle, x: "size", y: (d: Bar) => rows.middle(d.k), title: tip }),
    ),
  ]);
  for (const bar of chart.querySelectorAll<SVGElement>(".bars [data-group]")) {
    const choose = () => options.onChoose(Number(bar.dataset.group));
    bar.addEventListener("click", choose);
    bar.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose();
    });
  }
  return chart;
}

// The far end of the farthest finite whisker.
function farthest(sizes: number[], widths: number[]): number {
  const ends = sizes.map((size, k) => size + (Number.isFinite(widths[k]) ? widths[k] : 0));
  return Math.max(0, ...ends.filter(Number.isFinite));
}

// "rank 3, as Age and 2 others": groups of one rank cannot be told apart.
function rankWords(report: Report, output: number, group: number): string {
  const rank = report.rank(output, group);
  const others = report.groups.filter((_, g) => g !== group && report.rank(output, g) === rank);
  if (others.length === 0) return `rank ${rank}`;
  const first = others[0].name;
  const rest = others.length > 1 ? ` and ${plural(others.length - 1, "other")}` : "";
  return `rank ${rank}: not to be told apart from ${first}${rest}`;
}

export function importanceTable(report: Report, output: number): HTMLTableElement {
  const order = report.order(output);
  const sizes = order.map((g) => report.meanAbsolute(output, g));
  const total = sizes.filter(Number.isFinite).reduce((a, b) => a + b, 0);
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
        h(
          "th",
          { scope: "col", ...number },
          report.logit ? "Mean |\u03c6|, log-odds" : "Mean |\u03c6|",
        ),
        ...(report.hasIntervals
          ? [
              h("th", { scope: "col", ...number }, "95 % interval"),
              h("th", { scope: "col", ...number }, "Rank"),
            ]
          : []),
        h("th", { scope: "col", ...number }, "Share"),
        h("th", { scope: "col" }, "Columns"),
      ),
    ),
    h(
      "tbody",
      {},
      ...order.map((g, k) =>
        h(
          "tr",
          {},
          h("td", {}, report.groups[g].name),
          h("td", number, fixed(sizes[k], Math.min(8, decimalsFor(sizes[0]) + 2))),
          ...(report.hasIntervals
            ? [
                h("td", number, interval(report.meanHalfWidth(output, g)).trim()),
                h("td", number, String(report.rank(output, g))),
              ]
            : []),
          h("td", number, total > 0 ? `${((100 * sizes[k]) / total).toFixed(1)} %` : ""),
          h("td", {}, columnsText(report.groups[g].columns)),
        ),
      ),
    ),
  );
}

function columnsText(columns: string[]): string {
  if (columns.length <= 3) return columns.join(", ");
  return `${columns.slice(0, 2).join(", ")} and ${columns.length - 2} more`;
}
