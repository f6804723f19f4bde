// The two charts of a comparison: from the mean prediction of A to that of B, and what moved.
import * as Plot from "@observablehq/plot";
import type { Change, GroupDiff, OutputDiff } from "./compare-data";
import { changeText, halfOf, unitOf } from "./compare-page";
import { decimalsFor, fixed, plural, signed } from "./format";
import { draw, extent, layoutRows, tagged, textWidth, tipStyle, zeroLine, type Rows } from "./rows";

const mostSteps = 12;
export const mostBars = 40;

export type Measure = "mean" | "importance" | "distance";

interface Step {
  label: string;
  change: number;
  half: number | null;
  certain: boolean;
  from: number;
  to: number;
}

// The base value first, then groups by how much their means changed, the small ones folded.
export function stepsOf(output: OutputDiff): Step[] {
  const parts = output.groups
    .map((group) => ({
      label: group.group + (group.only_in === null ? "" : ` (only ${group.only_in.toUpperCase()})`),
      change: group.mean.change,
      half: halfOf(group.mean),
      certain: group.mean.certain !== false,
    }))
    .sort((x, y) => Math.abs(y.change) - Math.abs(x.change));
  if (parts.length > mostSteps + 1) {
    const rest = parts.splice(mostSteps);
    const halves = rest.map((part) => part.half);
    parts.push({
      label: plural(rest.length, "other group"),
      change: rest.reduce((sum, part) => sum + part.change, 0),
      // Their errors may all go one way.
      half: halves.includes(null) ? null : halves.reduce<number>((sum, half) => sum + half!, 0),
      certain: false,
    });
  }
  const base = output.base_value;
  parts.unshift({ label: "Base value", change: base.change, half: halfOf(base), certain: true });
  let level = output.prediction.a ?? 0;
  return parts.map((part) => {
    const from = level;
    level += part.change;
    return { ...part, from, to: level };
  });
}

// The axis below and its grid lines, with as many ticks as have room for all their digits: a mean
// may change by a millionth of itself.
function axisBelow(rows: Rows, label: string): Plot.Markish[] {
  const [low, high] = rows.domain;
  const decimals = Math.min(12, Math.max(0, 1 - Math.floor(Math.log10((high - low) / 4))));
  const text = (value: number) => {
    const exact = fixed(value, decimals);
    return exact.includes("e") || !exact.includes(".") ? exact : exact.replace(/\.?0+$/, "");
  };
  const widest = Math.max(textWidth(fixed(low, decimals)), textWidth(fixed(high, decimals)));
  const room = rows.width - rows.left - rows.right;
  const ticks = Math.max(2, Math.min(10, Math.floor(room / (1.5 * (widest + 18)))));
  return [
    Plot.gridX({ stroke: "var(--line)", strokeOpacity: 1, ticks }),
    Plot.axisX({
      anchor: "bottom",
      tickSize: 0,
      ticks,
      tickFormat: text,
      label,
      labelAnchor: "center",
      labelArrow: "none",
      fill: "var(--soft)",
      tickPadding: 6,
      labelOffset: 36,
    }),
  ];
}

const shade = (change: number) => (change < 0 ? "var(--negative)" : "var(--positive)");
const strength = (certain: boolean) => (certain ? 1 : 0.38);

function whiskers<T extends { x1: number; x2: number; y: number }>(lines: T[]): Plot.Markish[] {
  return [
    Plot.ruleY(lines, {
      y: "y",
      x1: "x1",
      x2: "x2",
      stroke: "var(--ink)",
      strokeWidth: 1.5,
      className: "whiskers",
      render: tagged(lines, (d) => ({ "data-low": String(d.x1), "data-high": String(d.x2) })),
    }),
    ...(["x1", "x2"] as const).map((end) =>
      Plot.ruleX(lines, {
        x: end,
        y1: (d: T) => d.y - 4,
        y2: (d: T) => d.y + 4,
        stroke: "var(--ink)",
        strokeWidth: 1.5,
      }),
    ),
  ];
}

export function waterfallOf(output: OutputDiff, link: string | null, width: number): SVGSVGElement {
  const bars = stepsOf(output);
  const start = output.prediction.a ?? 0;
  const end = output.prediction.b ?? 0;
  const ends = bars.flatMap((bar) => {
    const half = bar.half ?? 0;
    return [bar.from, bar.to - half, bar.to + half];
  });
  const decimals = decimalsFor(Math.max(Math.abs(start), Math.abs(end)));
  const texts = bars.map((bar) => signed(bar.change, decimals));
  const rows = layoutRows({
    width,
    labels: ["Mean prediction, A", ...bars.map((bar) => bar.label), "Mean prediction, B"],
    pitch: 30,
    half: 10,
    right: Math.ceil(Math.max(...texts.map((text) => textWidth(text, 600)))) + 14,
    domain: extent([end, ...ends], start, 0.04),
  });
  const last = bars.length + 1;
  const levels = [
    { level: start, k: 0 },
    { level: end, k: last },
  ];
  type Level = (typeof levels)[number];
  const links = [
    { level: start, from: 0, to: 1 },
    ...bars.map((bar, k) => ({ level: bar.to, from: k + 1, to: k + 2 })),
  ];
  type Link = (typeof links)[number];
  const side = (d: Level) =>
    rows.x(d.level) + textWidth(fixed(d.level, decimals), 600) + 16 > width ? -1 : 1;
  const lines = bars.flatMap((bar, k) =>
    bar.half === null || bar.half === 0
      ? []
      : [{ x1: bar.to - bar.half, x2: bar.to + bar.half, y: rows.middle(k + 1) }],
  );
  return draw(rows, "Waterfall from the mean prediction of A to that of B", "img", [
    ...axisBelow(rows, link === "logit" ? "log-odds" : "prediction"),
    Plot.ruleX(links, {
      x: "level",
      y1: (d: Link) => rows.middle(d.from) + (d.from === 0 ? 5 : -rows.half),
      y2: (d: Link) => rows.middle(d.to) + (d.to === last ? -5 : rows.half),
      stroke: "var(--rule)",
    }),
    Plot.rect(bars, {
      x1: (d: Step) => Math.min(d.from, d.to),
      x2: (d: Step) => Math.max(d.from, d.to),
      y1: (_: Step, k: number) => rows.middle(k + 1) - rows.half,
      y2: (_: Step, k: number) => rows.middle(k + 1) + rows.half,
      fill: (d: Step) => shade(d.change),
      fillOpacity: (d: Step) => strength(d.certain),
      rx: 2,
      className: "steps",
      render: tagged(bars, (d) => ({
        "data-label": d.label,
        "data-from": String(d.from),
        "data-to": String(d.to),
      })),
    }),
    ...whiskers(lines),
    Plot.text(bars, {
      y: (_: Step, k: number) => rows.middle(k + 1),
      text: (_: Step, k: number) => texts[k],
      frameAnchor: "right",
      textAnchor: "start",
      dx: 8,
      fill: "var(--ink)",
      fontWeight: 600,
    }),
    Plot.dot(levels, {
      x: "level",
      y: (d: Level) => rows.middle(d.k),
      r: 5,
      fill: "var(--ink)",
      className: "levels",
    }),
    ...[-1, 1].map((to) =>
      Plot.text(
        levels.filter((d) => side(d) === to),
        {
          x: "level",
          y: (d: Level) => rows.middle(d.k),
          text: (d: Level) => fixed(d.level, decimals),
          dx: 11 * to,
          textAnchor: to < 0 ? "end" : "start",
          fill: "var(--ink)",
          fontWeight: 600,
          stroke: "var(--card)",
          strokeWidth: 4,
        },
      ),
    ),
    Plot.tip(
      bars,
      Plot.pointerY({
        ...tipStyle,
        x: (d: Step) => (d.from + d.to) / 2,
        y: (_: Step, k: number) => rows.middle(k + 1),
        title: (d: Step) =>
          `${d.label}\n${signed(d.change, decimals)} \u00b1 ` +
          `${d.half === null ? "\u221e" : fixed(d.half, decimals)}\n` +
          `from ${fixed(d.from, decimals)} to ${fixed(d.to, decimals)}`,
      }),
    ),
  ]);
}

interface Bar {
  group: string;
  change: number;
  low: number | null;
  high: number | null;
  certain: boolean;
  text: string;
  title: string;
}

function barOf(group: GroupDiff, measure: Measure, decimals: number): Bar | null {
  const name = group.group;
  if (measure === "distance") {
    const { distance } = group;
    if (distance === null) return null;
    const size = distance.wasserstein;
    const title =
      `${name}\nattributions moved by ${fixed(size, decimals)} on average\n` +
      `KS distance ${fixed(distance.ks, 3)} (5 % critical: ${fixed(distance.ks_critical, 3)})`;
    const { certain } = distance;
    return { group: name, change: size, low: null, high: null, certain, text: fixed(size, decimals), title };
  }
  const change: Change = group[measure];
  const text = changeText(change, decimals);
  const title =
    `${name}\n${fixed(change.a ?? NaN, decimals)} to ${fixed(change.b ?? NaN, decimals)}: ${text}` +
    (group.only_in === null ? "" : `\nonly in ${group.only_in.toUpperCase()}`);
  return {
    group: name,
    change: change.change,
    low: change.low,
    high: change.high,
    certain: change.certain !== false,
    text,
    title,
  };
}

export function changesOf(
  output: OutputDiff,
  link: string | null,
  measure: Measure,
  width: number,
): SVGSVGElement {
  const sizes = output.groups.map((group) =>
    measure === "distance" ? (group.distance?.wasserstein ?? 0) : Math.abs(group[measure].change),
  );
  const decimals = decimalsFor(Math.max(0, ...sizes));
  const bars = output.groups
    .map((group) => barOf(group, measure, decimals))
    .filter((bar): bar is Bar => bar !== null)
    .slice(0, mostBars);
  const words = { mean: "change of mean \u03c6", importance: "change of mean |\u03c6|" };
  const label = measure === "distance" ? "distance of attributions (Wasserstein)" : words[measure];
  const rows = layoutRows({
    width,
    labels: bars.map((bar) => bar.group),
    pitch: 30,
    half: 9,
    right: Math.ceil(Math.max(40, ...bars.map((bar) => textWidth(bar.text, 600)))) + 16,
    domain: extent(
      bars.flatMap((bar) => [bar.change, bar.low ?? bar.change, bar.high ?? bar.change]),
      0,
      0.04,
    ),
  });
  const lines = bars.flatMap((bar, k) =>
    bar.low === null || bar.high === null || bar.low === bar.high
      ? []
      : [{ x1: bar.low, x2: bar.high, y: rows.middle(k) }],
  );
  const unit = unitOf(link);
  return draw(rows, `Bar chart of the ${label} of each group`, "img", [
    ...axisBelow(rows, unit === "" ? label : `${label} (${unit})`),
    Plot.rect(bars, {
      x1: (d: Bar) => Math.min(0, d.change),
      x2: (d: Bar) => Math.max(0, d.change),
      y1: (_: Bar, k: number) => rows.middle(k) - rows.half,
      y2: (_: Bar, k: number) => rows.middle(k) + rows.half,
      fill: (d: Bar) => (measure === "distance" ? "var(--accent)" : shade(d.change)),
      fillOpacity: (d: Bar) => strength(d.certain),
      rx: 2,
      className: "bars",
      ariaLabel: (d: Bar) => `${d.group}: ${d.text}`,
      render: tagged(bars, (d) => ({ "data-group": d.group, "data-change": String(d.change) })),
    }),
    zeroLine(),
    ...whiskers(lines),
    Plot.text(bars, {
      y: (_: Bar, k: number) => rows.middle(k),
      text: "text",
      frameAnchor: "right",
      textAnchor: "start",
      dx: 10,
      fill: "var(--ink)",
      fontWeight: 600,
    }),
    Plot.tip(
      bars,
      Plot.pointerY({
        ...tipStyle,
        x: "change",
        y: (_: Bar, k: number) => rows.middle(k),
        title: "title",
      }),
    ),
  ]);
}
