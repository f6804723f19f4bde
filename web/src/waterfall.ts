// The waterfall: how one row's prediction is built up from the base value, group by group.
import * as Plot from "@observablehq/plot";
import type { Report } from "./data";
import {
  amount,
  decimalsFor,
  fixed,
  percent,
  plural,
  probability,
  signed,
  unit,
  valueText,
} from "./format";
import { draw, extent, layoutRows, narrow, tagged, textWidth, tipStyle, xAxis } from "./rows";

const maxBars = 10;

export interface Step {
  g: number; // -1: the folded rest
  label: string;
  value: string;
  phi: number;
  from: number;
  to: number;
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
    }))
    .sort((a, b) => Math.abs(b.phi) - Math.abs(a.phi) || a.g - b.g);
  if (parts.length > maxBars + 1) {
    const rest = parts.splice(maxBars);
    parts.push({
      g: -1,
      label: plural(rest.length, "other group"),
      value: "",
      phi: rest.reduce((sum, part) => sum + part.phi, 0),
    });
  }
  let level = report.baseValue[output];
  return parts.map((part) => {
    const from = level;
    level += part.phi;
    return { ...part, from, to: level };
  });
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
  const right = 20;
  const labels = ["Base value", ...bars.map((bar) => bar.label), "Prediction"];
  const details = ["", ...bars.map((bar) => (bar.value === "" ? "" : `= ${bar.value}`)), ""];
  const rows = layoutRows({
    width,
    labels,
    details,
    pitch: 30,
    half: 11,
    right,
    top: report.logit ? 44 : 10,
    domain: extent(ends, base, 0.1),
  });
  const shade = (d: Step) => (d.phi < 0 ? "var(--negative)" : "var(--positive)");
  const texts = bars.map((bar, k) => {
    const text = signed(bar.phi, decimals);
    const room = Math.abs(rows.x(bar.to) - rows.x(bar.from));
    const inside = room > textWidth(text, 600) + 14;
    // Outside, the number stands where the bar points to, unless the frame ends there.
    const points = bar.phi < 0 ? -1 : 1;
    const reach = rows.x(bar.to) + points * (textWidth(text, 600) + 10);
    const onward = reach > rows.left && reach < rows.width - 2;
    const side = onward ? points : -points;
    return {
      text,
      inside,
      k,
      side,
      x: inside ? (bar.from + bar.to) / 2 : onward ? bar.to : bar.from,
    };
  });
  type Text = (typeof texts)[number];
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
    `${amount(report, signed(d.phi, decimals))}\n` +
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
