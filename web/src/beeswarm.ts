// The beeswarm: every row's attribution, one line of dots a group.
import * as Plot from "@observablehq/plot";
import { colourBy, none, uniform } from "./colour";
import { chooseRows, quantile, type Report } from "./data";
import { amount, count, decimalsFor, labelled, plusMinus, signed, unit } from "./format";
import { addDot, type DotLayer, layDots, makeDots } from "./dots";
import { draw, extent, layoutRows, narrow, xAxis, zeroLine } from "./rows";
import { stackOffsets } from "./swarm";

const dotBudget = 12000; // what is drawn over each other tells no more, and takes its time

export interface Beeswarm {
  chart: HTMLElement;
  chosen: number; // rows to draw
  incomplete: number; // of these, the ones left out, as they have no finite attributions
  far: boolean; // whether a few dots lie so far out that the axis would better leave them
  beyond: number; // dots drawn at the edge of the axis instead of beyond it
  highlight(i: number): void;
}

export interface BeeswarmOptions {
  width: number;
  output: number;
  groups: number[];
  rows: readonly number[]; // of the page, to draw
  whole: boolean; // the axis covers every dot, however far
  onChoose(i: number): void;
}

interface Ranges {
  everything: [number, number]; // of every dot
  usual: [number, number]; // the middle 98 % of every group, which a few far rows cannot stretch
}

const enough = 2000; // rows that tell where the middle 98 % lie

// [least, 1 %, 99 %, most] of the attributions of one group to one output, over the rows of the
// page that can be drawn, the middle two by a sample of them; empty if there are none.
function spread(report: Report, output: number, g: number, some: number[]): number[] {
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < report.shown; ++i) {
    if (!report.complete(i, output)) continue;
    const phi = report.phi(i, output, g);
    if (phi < least) least = phi;
    if (phi > most) most = phi;
  }
  if (least > most) return [];
  const ascending = Float64Array.from(some, (i) => report.phi(i, output, g)).sort();
  const tails = some.length === 0 ? [least, most] : [0.01, 0.99].map((q) => quantile(ascending, q));
  return [least, tails[0], tails[1], most];
}

// Remembered, as each looks at all rows.
const spreads = new Map<string, number[]>();

// The axes that the page's rows ask for, a cohort or not.
function ranges(report: Report, output: number, groups: number[]): Ranges {
  const all = Array.from({ length: report.shown }, (_, i) => i);
  const some = report.sample(all, enough).filter((i) => report.complete(i, output));
  const each = groups.map((g) => {
    const key = `${output} ${g}`;
    const found = spreads.get(key) ?? spread(report, output, g, some);
    spreads.set(key, found);
    return found;
  });
  return {
    everything: extent(
      each.flatMap((ends) => [...ends.slice(0, 1), ...ends.slice(3)]),
      0,
      0.02,
    ),
    usual: extent(
      each.flatMap((ends) => ends.slice(1, 3)),
      0,
      0.12,
    ),
  };
}

export function beeswarmChart(report: Report, options: BeeswarmOptions): Beeswarm {
  const { width, output, groups } = options;
  const limit = Math.max(60, Math.floor(dotBudget / Math.max(1, groups.length)));
  const chosen = chooseRows(report, options.rows, output, limit, groups);
  const finite = chosen.filter((i) => report.complete(i, output));
  // The axis is that of all rows, so that a cohort can be compared with them.
  const { everything, usual } = ranges(report, output, groups);
  const far = everything[1] - everything[0] > 1.6 * (usual[1] - usual[0]);
  const domain: [number, number] =
    far && !options.whole
      ? [Math.max(usual[0], everything[0]), Math.min(usual[1], everything[1])]
      : everything;
  const clamp = (phi: number) => Math.min(domain[1], Math.max(domain[0], phi));
  const rows = layoutRows({
    width,
    labels: groups.map((g) => report.groups[g].name),
    pitch: 36,
    half: 15,
    domain,
  });
  const radius = narrow(width) ? 1.8 : 2.3;
  const dots = makeDots(finite.length * groups.length);
  let beyond = 0;
  groups.forEach((g, k) => {
    const numeric = report.groups[g].kind === "numeric";
    const colouring = numeric ? colourBy(report, g) : uniform(none);
    const x = finite.map((i) => rows.x(clamp(report.phi(i, output, g))));
    const offsets = stackOffsets(x, rows.half, radius * 1.5);
    finite.forEach((i, place) => {
      const phi = report.phi(i, output, g);
      const side = Math.sign(phi - clamp(phi));
      if (side !== 0) ++beyond;
      addDot(dots, i, x[place], rows.middle(k) + offsets[place], colouring.of(i), side);
    });
  });
  const tip = (k: number) => {
    const i = dots.row[k];
    const g = groups[Math.floor(k / finite.length)];
    const size = report.phi(i, output, g);
    const phi = signed(size, decimalsFor(Math.abs(size))) + plusMinus(report, i, output, g);
    return (
      `${labelled(report, i, g)}\n\u03c6 ${amount(report, phi)}\n` +
      `Row ${count(report.row(i))}: click to see it step by step`
    );
  };
  const label =
    "Beeswarm of the attributions of each row, one line a group; " +
    "the field below chooses a row by its number";
  const chart = draw(rows, label, "img", [
    ...xAxis(rows, `\u03c6: moves the prediction by${report.logit ? ` (${unit(report)})` : ""}`),
    Plot.ruleY(groups, {
      y: (_: number, k: number) => rows.middle(k),
      stroke: "var(--line)",
      strokeDasharray: "2,4",
    }),
    zeroLine(),
    null, // no tip of Plot's
  ]);
  const layer: DotLayer = layDots(chart, dots, rows.width, rows.height, {
    radius,
    opacity: 0.8,
    tip,
    onChoose: options.onChoose,
  });
  return {
    chart: layer.element,
    chosen: chosen.length,
    incomplete: chosen.length - finite.length,
    far,
    beyond,
    highlight(i) {
      if (i < 0 || !report.complete(i, output)) return layer.circle([]);
      const place = finite.indexOf(i);
      layer.circle(
        groups.map((g, k): [number, number] => [
          rows.x(clamp(report.phi(i, output, g))),
          place < 0 ? rows.middle(k) : dots.y[k * finite.length + place],
        ]),
      );
    },
  };
}
