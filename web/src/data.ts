// The report's data: the JSON that src/windlass/explain/report.cc puts into the page.

// Arrays of numbers travel as base64 of little-endian IEEE floats: exact, compact, and able to hold
// NaN. Every platform that runs a browser is little-endian.
// bf16, the upper half of a single, is for numbers of which two digits are wanted.
type Packed = { f32: string } | { f64: string } | { bf16: string };
type Floats = Float32Array | Float64Array;

// JSON has no word for these three, so null is NaN and the infinities are strings.
type JsonNumber = number | null | "Infinity" | "-Infinity";

interface Document {
  version: number;
  windlass: string;
  model: string;
  data: string;
  link: "identity" | "logit";
  method: string;
  reason: string;
  margin?: boolean; // explained: the model's margin instead of its output
  notes?: string[]; // what a reader should know, in sentences without ends
  rows: number;
  model_evaluations: number;
  outputs: string[];
  groups: { name: string; columns: string[]; categories: string[] }[];
  importance: JsonNumber[];
  interactions?: JsonNumber[]; // [outputs, pairs (0, 1), (0, 2), ...]: where the job made them
  // Where the job sampled, half widths of 95 % intervals, and how much of a row's order is certain.
  importance_half_width?: JsonNumber[]; // [outputs, groups]
  half_width?: Packed; // [shown, outputs, groups]
  ranked?: number[]; // [shown, outputs]
  cohorts?: CohortsDocument; // where the job was asked for them
  base_value: JsonNumber[];
  row: number[];
  prediction: Packed;
  phi: Packed;
  value: Packed;
}

// Cohorts over all rows of the job.
interface CohortsDocument {
  by: string; // the column or group
  names: string[];
  rows: number[]; // [cohorts]
  prediction: JsonNumber[]; // [outputs, cohorts], the mean
  mean_abs: JsonNumber[]; // [outputs, cohorts, groups]
  mean: JsonNumber[]; // the same shape
  half_width?: JsonNumber[]; // the same shape: of mean_abs, where the job sampled
  member: number[]; // [shown]: the cohort of each row of the page
}

// What a group's values are, which decides how they are drawn: numbers have a scale, categories
// have names, and a group of several columns may have neither.
export type Kind = "numeric" | "category" | "none";

export interface Group {
  name: string;
  columns: string[];
  categories: string[];
  kind: Kind;
}

export class Report {
  readonly groups: Group[];
  readonly importance: number[];
  private readonly pairs: number[];
  readonly baseValue: number[];
  readonly shown: number;
  private readonly predictions: Floats;
  private readonly phis: Floats;
  private readonly values: Floats;
  private readonly halfWidths: Floats;
  private readonly importanceHalfWidths: number[];
  private readonly whole: Uint8Array; // [shown, outputs]: whether a row can be drawn
  private readonly scrambled: Uint32Array; // the page's rows in an order of chance

  constructor(readonly document: Document) {
    if (document.version !== 1) {
      throw new Error(`this page reads report data version 1, not ${document.version}`);
    }
    this.shown = document.row.length;
    this.importance = document.importance.map(toNumber);
    this.pairs = (document.interactions ?? []).map(toNumber);
    this.baseValue = document.base_value.map(toNumber);
    this.predictions = unpack(document.prediction);
    this.phis = unpack(document.phi);
    this.values = unpack(document.value);
    this.halfWidths = document.half_width ? unpack(document.half_width) : new Float32Array(0);
    this.importanceHalfWidths = (document.importance_half_width ?? []).map(toNumber);
    this.groups = document.groups.map((group, g) => ({
      ...group,
      name: group.name === "" ? "(no name)" : group.name,
      kind: this.kindOf(group, g),
    }));
    this.whole = this.findWhole();
    this.scrambled = inOrderOfChance(this.shown);
  }

  static fromPage(): Report {
    const text = document.getElementById("windlass-data")?.textContent ?? "";
    return new Report(JSON.parse(text) as Document);
  }

  get logit(): boolean {
    return this.document.link === "logit";
  }
  get sampled(): boolean {
    return this.shown < this.document.rows;
  }

  // `i` counts the rows of the page, `output` and `group` count as in the document.
  row(i: number): number {
    return this.document.row[i];
  }
  prediction(i: number, output: number): number {
    return this.predictions[i * this.document.outputs.length + output];
  }
  phi(i: number, output: number, group: number): number {
    return this.phis[(i * this.document.outputs.length + output) * this.groups.length + group];
  }
  value(i: number, group: number): number {
    return this.values[i * this.groups.length + group];
  }
  meanAbsolute(output: number, group: number): number {
    return this.importance[output * this.groups.length + group];
  }

  get hasIntervals(): boolean {
    return this.importanceHalfWidths.length > 0;
  }
  // Half the width of a 95 % interval; infinite where the sample leaves nothing to judge by.
  halfWidth(i: number, output: number, group: number): number {
    const line = i * this.document.outputs.length + output;
    return this.halfWidths[line * this.groups.length + group];
  }
  meanHalfWidth(output: number, group: number): number {
    return this.importanceHalfWidths[output * this.groups.length + group];
  }
  // So many of the row's largest attributions stand in an order that is certain.
  ranked(i: number, output: number): number {
    return this.document.ranked?.[i * this.document.outputs.length + output] ?? 0;
  }
  // 1 and the number of groups that are certainly more important, as in summary.json.
  rank(output: number, group: number): number {
    const high = this.meanAbsolute(output, group) + this.meanHalfWidth(output, group);
    const low = (g: number) => this.meanAbsolute(output, g) - this.meanHalfWidth(output, g);
    return 1 + this.groups.filter((_, g) => low(g) > high).length;
  }

  get hasInteractions(): boolean {
    return this.pairs.length > 0;
  }
  // Of two different groups, in either order.
  meanAbsolutePair(output: number, a: number, b: number): number {
    const count = this.groups.length;
    const [low, high] = a < b ? [a, b] : [b, a];
    const pair = (low * (2 * count - low - 1)) / 2 + (high - low - 1);
    return this.pairs[(output * count * (count - 1)) / 2 + pair];
  }

  // Groups from most to least important; equal ones keep the document's order.
  order(output: number): number[] {
    const size = (g: number) => {
      const value = this.meanAbsolute(output, g);
      return Number.isNaN(value) ? -1 : value;
    };
    return this.groups.map((_, g) => g).sort((a, b) => size(b) - size(a) || a - b);
  }

  // Whether every attribution of the row is a number that can be drawn.
  complete(i: number, output: number): boolean {
    return this.whole[i * this.document.outputs.length + output] === 1;
  }

  // At most about `limit` of `rows`, chosen by chance but always the same ones, in their order.
  sample(rows: readonly number[], limit: number): number[] {
    if (rows.length <= limit) return [...rows];
    const wanted = new Uint8Array(this.shown);
    for (const i of rows) wanted[i] = 1;
    const chosen: number[] = [];
    for (const i of this.scrambled) {
      if (wanted[i] === 1 && chosen.length < limit) chosen.push(i);
    }
    return chosen.sort((a, b) => a - b);
  }

  private findWhole(): Uint8Array {
    const outputs = this.document.outputs.length;
    const whole = new Uint8Array(this.shown * outputs);
    const groups = this.groups.length;
    for (let k = 0; k < whole.length; ++k) {
      let ok = Number.isFinite(this.baseValue[k % outputs]) && Number.isFinite(this.predictions[k]);
      for (let g = 0; g < groups && ok; ++g) ok = Number.isFinite(this.phis[k * groups + g]);
      whole[k] = ok ? 1 : 0;
    }
    return whole;
  }

  private kindOf(group: { categories: string[] }, g: number): Kind {
    if (group.categories.length > 0) return "category";
    const count = this.groupCount();
    for (let k = g; k < this.values.length; k += count) {
      if (Number.isFinite(this.values[k])) return "numeric";
    }
    return "none";
  }
  private groupCount(): number {
    return this.document.groups.length;
  }
}

function toNumber(value: JsonNumber): number {
  return value === null ? NaN : Number(value);
}

function unpack(packed: Packed): Floats {
  const text = atob(Object.values(packed)[0]);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; ++k) bytes[k] = text.charCodeAt(k);
  if ("f32" in packed) return new Float32Array(bytes.buffer);
  if ("f64" in packed) return new Float64Array(bytes.buffer);
  const upper = Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16);
  return new Float32Array(upper.buffer);
}

function inOrderOfChance(count: number): Uint32Array {
  const keys = Float64Array.from({ length: count }, (_, i) => scramble(i));
  return Uint32Array.from(keys, (_, i) => i).sort((a, b) => keys[a] - keys[b] || a - b);
}

// A fixed scramble of an integer to [0, 1): chooses and jitters points the same way every time.
export function scramble(value: number): number {
  let h = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

// At most about `limit` of `rows`, and always the two extremes of each group in `always`, so that
// the range drawn is the range there is.
export function chooseRows(
  report: Report,
  rows: readonly number[],
  output: number,
  limit: number,
  always: number[],
): number[] {
  if (rows.length <= limit) return [...rows];
  const chosen = new Set(report.sample(rows, limit));
  for (const g of always) {
    let low = -1;
    let high = -1;
    for (const i of rows) {
      const phi = report.phi(i, output, g);
      if (!Number.isFinite(phi)) continue;
      if (low < 0 || phi < report.phi(low, output, g)) low = i;
      if (high < 0 || phi > report.phi(high, output, g)) high = i;
    }
    if (low >= 0) chosen.add(low).add(high);
  }
  return [...chosen].sort((a, b) => a - b);
}

// The q-quantile of ascending numbers, interpolated between neighbours.
export function quantile(ascending: ArrayLike<number>, q: number): number {
  const position = (ascending.length - 1) * q;
  const low = Math.floor(position);
  const high = Math.min(low + 1, ascending.length - 1);
  return ascending[low] + (ascending[high] - ascending[low]) * (position - low);
}
