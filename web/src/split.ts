// Cohorts: the rows of the page, split by the value of one group, or as the job split all its rows.
import type { Report } from "./data";
import { plain, plural } from "./format";

const mostCategories = 7; // the rest share a cohort
const parts = 4; // of numbers: quarters of the rows

export interface Cohort {
  name: string;
  rows: number[]; // of the page
}

export interface Measures {
  count: number[]; // [cohorts]: rows that were averaged
  prediction: number[]; // [cohorts]
  meanAbsolute: number[]; // [cohorts, groups]
  mean: number[];
  halfWidth: number[]; // of meanAbsolute; empty for exact methods
}

export interface Split {
  by: string;
  everyRow: boolean; // the measures are over all rows of the job, not only those of the page
  note: string;
  cohorts: Cohort[];
  measures(output: number): Measures;
}

export const canSplit = (report: Report, g: number): boolean => report.groups[g].kind !== "none";

// Where numbers are cut: at quantiles that rows have, each once, none that has nothing above it.
export function cuts(ascending: Float64Array, wanted: number): number[] {
  const last = ascending[ascending.length - 1];
  const found = new Set<number>();
  for (let k = 1; k < wanted; ++k) {
    found.add(ascending[Math.ceil((ascending.length * k) / wanted) - 1]);
  }
  found.delete(last);
  if (found.size === 0) {
    const below = ascending.filter((value) => value < last);
    if (below.length > 0) found.add(below[below.length - 1]);
  }
  return [...found];
}

function byNumber(report: Report, g: number): Cohort[] {
  const values = Float64Array.from({ length: report.shown }, (_, i) => report.value(i, g));
  const ascending = values.filter((value) => !Number.isNaN(value)).sort();
  const distinct = new Set<number>();
  for (const value of ascending) {
    if (distinct.size <= mostCategories) distinct.add(value);
  }
  const few = distinct.size <= mostCategories;
  const ends = few ? [...distinct] : cuts(ascending, parts);
  const cohorts: Cohort[] = ends.map((end, k) => ({
    name: few
      ? plain(end)
      : k === 0
        ? `up to ${plain(end)}`
        : `above ${plain(ends[k - 1])}, up to ${plain(end)}`,
    rows: [],
  }));
  if (!few) cohorts.push({ name: `above ${plain(ends[ends.length - 1])}`, rows: [] });
  const without: Cohort = { name: "no value", rows: [] };
  values.forEach((value, i) => {
    const k = ends.findIndex((end) => value <= end);
    if (Number.isNaN(value)) without.rows.push(i);
    else cohorts[k < 0 ? cohorts.length - 1 : k].rows.push(i);
  });
  return [...cohorts, without].filter((cohort) => cohort.rows.length > 0);
}

function byCategory(report: Report, g: number): Cohort[] {
  const { categories } = report.groups[g];
  const rowsOf = new Map<number, number[]>();
  for (let i = 0; i < report.shown; ++i) {
    const value = report.value(i, g);
    const rows = rowsOf.get(value);
    if (rows) rows.push(i);
    else rowsOf.set(value, [i]);
  }
  const found = [...rowsOf].sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
  const named = found.length <= mostCategories + 1 ? found : found.slice(0, mostCategories);
  const cohorts = named.map(([value, rows]) => ({
    name: categories[value] ?? (Number.isNaN(value) ? "no value" : `category ${plain(value)}`),
    rows,
  }));
  const rest = found.slice(named.length);
  if (rest.length > 0) {
    cohorts.push({
      name: `other (${plural(rest.length, "value")})`,
      rows: rest.flatMap(([, rows]) => rows).sort((a, b) => a - b),
    });
  }
  return cohorts;
}

function measure(report: Report, cohorts: Cohort[], output: number): Measures {
  const groups = report.groups.length;
  const made: Measures = { count: [], prediction: [], meanAbsolute: [], mean: [], halfWidth: [] };
  for (const cohort of cohorts) {
    const rows = cohort.rows.filter((i) => report.complete(i, output));
    made.count.push(rows.length);
    const mean = (sum: number) => sum / rows.length;
    made.prediction.push(mean(rows.reduce((sum, i) => sum + report.prediction(i, output), 0)));
    for (let g = 0; g < groups; ++g) {
      let [size, sum, width] = [0, 0, 0];
      for (const i of rows) {
        const phi = report.phi(i, output, g);
        size += Math.abs(phi);
        sum += phi;
        if (report.hasIntervals) width += report.halfWidth(i, output, g);
      }
      made.meanAbsolute.push(mean(size));
      made.mean.push(mean(sum));
      if (report.hasIntervals) made.halfWidth.push(mean(width));
    }
  }
  return made;
}

export function splitBy(report: Report, g: number): Split {
  const numeric = report.groups[g].kind === "numeric";
  const cohorts = numeric ? byNumber(report, g) : byCategory(report, g);
  const known = new Map<number, Measures>();
  return {
    by: report.groups[g].name,
    everyRow: !report.sampled,
    note:
      numeric && cohorts.some(({ name }) => name.startsWith("up to "))
        ? "Numbers are cut into quarters of the rows. "
        : "",
    cohorts,
    measures(output) {
      const made = known.get(output) ?? measure(report, cohorts, output);
      known.set(output, made);
      return made;
    },
  };
}

// The cohorts that the job made, or null.
export function givenSplit(report: Report): Split | null {
  const given = report.document.cohorts;
  if (given === undefined) return null;
  const numbers = (list: (number | string | null)[] = []) =>
    list.map((value) => (value === null ? NaN : Number(value)));
  const cohorts: Cohort[] = given.names.map((name) => ({ name, rows: [] }));
  given.member.forEach((c, i) => cohorts[c]?.rows.push(i));
  const count = cohorts.length;
  const width = count * report.groups.length;
  const part = (list: number[], size: number, output: number) =>
    list.slice(output * size, (output + 1) * size);
  const [prediction, meanAbsolute, mean, halfWidth] = [
    given.prediction,
    given.mean_abs,
    given.mean,
    given.half_width,
  ].map(numbers);
  return {
    by: given.by,
    everyRow: true,
    note: "",
    cohorts,
    measures: (output) => ({
      count: given.rows,
      prediction: part(prediction, count, output),
      meanAbsolute: part(meanAbsolute, width, output),
      mean: part(mean, width, output),
      halfWidth: part(halfWidth, width, output),
    }),
  };
}

