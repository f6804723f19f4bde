// The waterfall: how one row's prediction is built up from the base value, group by group.
import * as Plot from "@observablehq/plot";
import type { Report } from "./data";
import {
  amount,
  decimalsFor,
  fixed,
  interval,
  percent,
  plural,
  probability,
  signed,
  unit,
  valueText,
} from "./format";
import {
  draw,
  extent,
  layoutRows,
  narrow,
  type Rows,
  tagged,
  textWidth,
  tipStyle,
  whiskerMarks,
  xAxis,
} from "./rows";

const maxBars = 10;
const dividerRoom = 20; // pixels

export interface Step {
  g: number; // -1: the folded rest
  label: string;
  value: string;
  phi: number;
  from: number;
  to: number;
  halfWidth: number; // of a 95 % interval of phi; NaN for exact methods
}

// Biggest contributions first, the small ones folded into one. They start from the base value; as
// attributions travel as single precision, the last step ends at the prediction itself.
export function steps(report: Report, i: number, output: number): Step[] {
  const parts = report.groups
    .map((group, g) => ({
      g,
      label: group.name,
      value: valueText(report, i, g),
      phi: report.phi(i, output, g),
      halfWidth: report.hasIntervals ? report.halfWidth(i, output, g) : NaN,
    }))
    .sort((a, b) => Math.abs(b.phi) - Math.abs(a.phi) || a.g - b.g);
  if (parts.length > maxBars + 1) {
    const rest = parts.splice(maxBars);
    parts.push({
      g: -1,
      label: plural(rest.length, "other group"),
      value: "",
      phi: rest.reduce((sum, part) => sum + part.phi, 0),
      halfWidth: rest.reduce((sum, part) => sum + part.halfWidth, 0), // at most: errors may add up
    });
  }
  let level = report.baseValue[output];
  return parts.map((part) => {
    const from = level;
    level += part.phi;
    return { ...part, from, to: level };
  });
}

interface Text {
  text: string;
  inside: boolean; // of its bar
  k: number;
  side: number; // -1: left of x, 1: right of it
  x: number;
}

// Where each bar's number stands: in the bar, or where the bar points to, or behind it. Null where
// one has no room at all.
function placed(rows: Rows, bars: Step[], words: string[]): Text[] | null {
  const texts: Text[] = [];
  for (const [k, bar] of bars.entries()) {
    const text = words[k];
    const size = textWidth(text, 600);
    const sure = !(bar.halfWidth > 0); // a whisker would strike a number inside the bar through
    if (sure && Math.abs(rows.x(bar.to) - rows.x(bar.from)) > size + 14) {
      texts.push({ text, inside: true, k, side: 1, x: (bar.from + bar.to) / 2 });
      continue;
    }
    const width = Number.isFinite(bar.halfWidth) ? bar.halfWidth : 0;
    const ends = [Math.min(bar.from, bar.to - width), Math.max(bar.from, bar.to + width)];
    const points = bar.phi < 0 ? -1 : 1;
    const fits = (side: number) => {
      const reach = rows.x(ends[side < 0 ? 0 : 1]) + side * (size + 10);
      return reach > rows.left && reach < rows.width - 2;
    };
    const side = fits(points) || (sure && !fits(-points)) ? points : -points;
    if (!sure && !fits(side)) return null;
    texts.push({ text, inside: false, k, side, x: ends[side < 0 ? 0 : 1] });
  }
  return texts;
}

// The ends of whiskers that the axis should hold: not those of intervals so wide that the steps
// would shrink to nothing.
function reachable(ends: number[], whiskers: { low: number; high: number }[]): number[] {
  const room = Math.max(...ends) - Math.min(...ends);
  const [low, high] = [Math.min(...ends) - room, Math.max(...ends) + room];
  return whiskers.flatMap((w) => [Math.max(w.low, low), Math.min(w.high, high)]);
}

// Probabilities worth a tick on an axis of log-odds.
const landmarks = [0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999];

export function waterfallChart(
  report: Report,
  i: number,
  output: number,
  width: number,
): SVGSVGElement {
  const bars = steps(report, i, output);
  const base = report.baseValue[output];
  const prediction = report.prediction(i, output);
  const ends = [base, prediction, ...bars.map((bar) => bar.to)];
  const decimals = decimalsFor(Math.max(...ends.map(Math.abs)));
  const ranked = report.hasIntervals ? report.ranked(i, output) : 0;
  // Where the order stops being certain, if that is between two groups that have bars.
  const divided = ranked > 0 && ranked < bars.length && bars[ranked].g >= 0;
  const whiskers = bars
    .map((bar, k) => ({ low: bar.to - bar.halfWidth, high: bar.to + bar.halfWidth, k }))
    .filter(({ k }) => Number.isFinite(bars[k].halfWidth) && bars[k].halfWidth > 0);
  const labels = ["Base value", ...bars.map((bar) => bar.label), "Prediction"];
  const details = ["", ...bars.map((bar) => (bar.value === "" ? "" : `= ${bar.value}`)), ""];
  const frame = (right: number) =>
    layoutRows({
      width,
      labels,
      details,
      pitch: 30,
      half: 11,
      right,
      top: report.logit ? 44 : 10,
      domain: extent([...ends, ...reachable(ends, whiskers)], base, 0.1),
      gap: divided ? { before: ranked + 1, size: dividerRoom } : undefined,
    });
  const words = bars.map(
    (bar) => signed(bar.phi, decimals) + interval(bar.halfWidth, decimals + 1),
  );
  let rows = frame(20);
  let texts = placed(rows, bars, words);
  if (texts === null) {
    // Where whiskers leave a number no room, all stand in a column at the right.
    rows = frame(Math.ceil(Math.max(...words.map((text) => textWidth(text, 600)))) + 14);
    const x = rows.domain[1];
    texts = words.map((text, k) => ({ text, inside: false, k, side: 1, x }));
  }
  const shade = (d: Step) => (d.phi < 0 ? "var(--negative)" : "var(--positive)");
  const last = bars.length + 1;
  const levels = [
    { level: base, k: 0, name: "Base value" },
    { level: prediction, k: last, name: "Prediction" },
  ];
  type Level = (typeof levels)[number];
  const levelText = (d: Level) =>
    fixed(d.level, decimals) + (report.logit ? ` (${percent(d.level)})` : "");
  const levelSide = (d: Level) =>
    rows.x(d.level) + textWidth(levelText(d), 600) + 16 > rows.width ? -1 : 1;
  const links = [
    { level: base, from: 0, to: 1 },
    ...bars.map((bar, k) => ({ level: bar.to, from: k + 1, to: k + 2 })),
  ];
  type Link = (typeof links)[number];
  const between = (d: Step) =>
    `${d.label}${d.value === "" ? "" : ` = ${d.value}`}\n` +
    `${amount(report, signed(d.phi, decimals) + interval(d.halfWidth, decimals + 1))}\n` +
    (d.g < 0 && d.halfWidth > 0 ? "\u00b1 at most: errors of groups may add up\n" : "") +
    `from ${fixed(d.from, decimals)} to ${fixed(d.to, decimals)}` +
    (report.logit ? `\nprobability ${percent(d.from)} to ${percent(d.to)}` : "");
  const top: Plot.Markish[] = [];
  if (report.logit) {
    const [low, high] = rows.domain;
    const spacing = narrow(width) ? 46 : 56;
    let taken = -Infinity;
    const ticks = landmarks
      .map((p) => Math.log(p / (1 - p)))
      .filter((margin) => margin > low && margin < high)
      .filter((margin) => {
        if (rows.x(margin) - taken < spacing) return false;
        taken = rows.x(margin);
        return true;
      });
    top.push(
      Plot.axisX(ticks, {
        anchor: "top",
        tickSize: 4,
        stroke: "var(--rule)",
        fill: "var(--soft)",
        tickFormat: (margin: number) => `${Number((100 * probability(margin)).toPrecision(6))} %`,
        label: "probability",
        labelAnchor: "center",
        labelArrow: "none",
        labelOffset: 38,
      }),
    );
  }
  return draw(rows, "Waterfall from the base value to the prediction of the chosen row", "img", [
    ...xAxis(rows, report.logit ? unit(report) : "prediction"),
    ...top,
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
      fill: shade,
      rx: 2,
      className: "steps",
      render: tagged(bars, (d) => ({
        "data-group": String(d.g),
        "data-from": String(d.from),
        "data-to": String(d.to),
      })),
    }),
    ...whiskerMarks(rows, whiskers, (d) => rows.middle(d.k + 1)),
    ...(divided ? dividerMarks(rows, ranked) : []),
    Plot.text(
      texts.filter((d) => d.inside),
      {
        x: "x",
        y: (d: Text) => rows.middle(d.k + 1),
        text: "text",
        fill: "var(--card)",
        fontWeight: 600,
        pointerEvents: "none",
      },
    ),
    ...[-1, 1].map((side) =>
      Plot.text(
        texts.filter((d) => !d.inside && d.side === side),
        {
          x: "x",
          y: (d: Text) => rows.middle(d.k + 1),
          text: "text",
          dx: 7 * side,
          textAnchor: side < 0 ? "end" : "start",
          fill: "var(--ink)",
          fontWeight: 600,
          stroke: "var(--card)",
          strokeWidth: 4,
          pointerEvents: "none",
        },
      ),
    ),
    Plot.dot(levels, {
      x: "level",
      y: (d: Level) => rows.middle(d.k),
      r: 5,
      fill: "var(--ink)",
      className: "levels",
      render: tagged(levels, (d) => ({ "data-level": String(d.level) })),
    }),
    ...[-1, 1].map((side) =>
      Plot.text(
        levels.filter((d) => levelSide(d) === side),
        {
          x: "level",
          y: (d: Level) => rows.middle(d.k),
          text: levelText,
          dx: 11 * side,
          textAnchor: side < 0 ? "end" : "start",
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
        title: between,
      }),
    ),
  ]);
}

// A quiet line below the last group whose place in the order is certain.
function dividerMarks(rows: Rows, ranked: number): Plot.Markish[] {
  const stacked = narrow(rows.width) ? 18 : 0; // labels stand above their bars
  const y = rows.middle(ranked) + 15 + dividerRoom / 2 + stacked / 4;
  const divider = { y, className: "divider" };
  return [
    Plot.ruleY([y], { ...divider, stroke: "var(--rule)", strokeDasharray: "3,4" }),
    Plot.text([y], {
      ...divider,
      y: (value: number) => value,
      text: () => "order certain above this line",
      frameAnchor: "right",
      textAnchor: "end",
      fontSize: 12,
      fill: "var(--soft)",
      stroke: "var(--card)",
      strokeWidth: 6,
    }),
  ];
}
