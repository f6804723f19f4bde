// Colours are names of CSS variables, so that the light, dark and printed page each have their own
// and a change of scheme needs no redrawing.
import { quantile, type Report } from "./data";
import { h } from "./dom";
import { plain } from "./format";

const steps = 12;
export const maxCategories = 9;
export const none = "var(--none)";

// How a row is coloured by the value of one group.
export interface Colouring {
  of(i: number): string;
  legend(): Node[];
}

// Numbers run along a ramp between their 5th and 95th percentile, so that one far value does not
// paint all others alike; wider percentiles are taken when those two coincide.
const ranges = new WeakMap<Report, Map<number, [number, number]>>();

function numericRange(report: Report, g: number): [number, number] {
  const known = ranges.get(report) ?? new Map<number, [number, number]>();
  ranges.set(report, known);
  const range = known.get(g) ?? findRange(report, g);
  known.set(g, range);
  return range;
}

function findRange(report: Report, g: number): [number, number] {
  const values = Float64Array.from({ length: report.shown }, (_, i) => report.value(i, g))
    .filter(Number.isFinite)
    .sort();
  for (const tail of [0.05, 0.01, 0]) {
    const low = quantile(values, tail);
    const high = quantile(values, 1 - tail);
    if (low < high) return [low, high];
  }
  return [values[0], values[0]];
}

export function rampLegend(low: string, high: string): HTMLElement {
  const bar = h("i", { "aria-hidden": "true" });
  for (let k = 0; k < steps; ++k) bar.append(h("b", { style: `background: var(--v${k})` }));
  return h("span", { class: "ramp" }, low, bar, high);
}

export function swatch(colour: string, label: string): HTMLElement {
  return h("span", { class: "swatch" }, h("i", { style: `background: ${colour}` }), label);
}

export function uniform(colour: string): Colouring {
  return { of: () => colour, legend: () => [] };
}

export function byNumber(report: Report, g: number): Colouring {
  const [low, high] = numericRange(report, g);
  return {
    of(i) {
      const value = report.value(i, g);
      if (Number.isNaN(value)) return none;
      if (low === high) return `var(--v${value < low ? 0 : value > high ? steps - 1 : steps / 2})`;
      const t = Math.min(1, Math.max(0, (value - low) / (high - low)));
      return `var(--v${Math.min(steps - 1, Math.floor(t * steps))})`;
    },
    legend: () => [rampLegend(`${report.groups[g].name} ${plain(low)}`, plain(high))],
  };
}

export function byCategory(report: Report, g: number): Colouring {
  const { name, categories } = report.groups[g];
  const counts = categories.map(() => 0);
  for (let i = 0; i < report.shown; ++i) {
    const value = report.value(i, g);
    if (value in counts) ++counts[value];
  }
  const present = counts
    .map((_, c) => c)
    .filter((c) => counts[c] > 0)
    .sort((a, b) => counts[b] - counts[a] || a - b);
  // Beyond nine colours nobody can tell them apart: the rarest share the last.
  const colourOf = new Map(present.map((c, k) => [c, `var(--c${Math.min(k, maxCategories)})`]));
  return {
    of: (i) => colourOf.get(report.value(i, g)) ?? none,
    legend() {
      const named = present.slice(0, maxCategories);
      const marks: Node[] = [h("span", {}, `${name}:`)];
      for (const c of named) marks.push(swatch(colourOf.get(c)!, categories[c]));
      if (present.length > named.length) {
        marks.push(swatch(`var(--c${maxCategories})`, `${present.length - named.length} others`));
      }
      return marks;
    },
  };
}

export function colourBy(report: Report, g: number | null): Colouring {
  if (g === null || report.groups[g].kind === "none") return uniform("var(--accent)");
  return report.groups[g].kind === "numeric" ? byNumber(report, g) : byCategory(report, g);
}
