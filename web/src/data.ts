// The report's data: the JSON that src/windlass/explain/report.cc puts into the page.

// Arrays of numbers travel as base64 of little-endian IEEE floats: exact, compact, and able to hold
// NaN. Every platform that runs a browser is little-endian.
type Packed = { f32: string } | { f64: string };
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
  rows: number;
  model_evaluations: number;
  outputs: string[];
  groups: { name: string; columns: string[]; categories: string[] }[];
  importance: JsonNumber[];
  interactions?: JsonNumber[]; // [outputs, pairs (0, 1), (0, 2), ...]: where the job made them
  base_value: JsonNumber[];
  row: number[];
  prediction: Packed;
  phi: Packed;
  value: Packed;
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
    this.groups = document.groups.map((group, g) => ({
      ...group,
      name: group.name === "" ? "(no name)" : group.name,
      kind: this.kindOf(group, g),
    }));
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
    if (!Number.isFinite(this.baseValue[output])) return false;
    if (!Number.isFinite(this.prediction(i, output))) return false;
    return this.groups.every((_, g) => Number.isFinite(this.phi(i, output, g)));
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
  const text = atob("f32" in packed ? packed.f32 : packed.f64);
  const bytes = new Uint8Array(text.length);
  for (let k = 0; k < text.length; ++k) bytes[k] = text.charCodeAt(k);
  return "f32" in packed ? new Float32Array(bytes.buffer) : new Float64Array(bytes.buffer);
}

// A fixed scramble of an integer to [0, 1): chooses and jitters points the same way every time.
export function scramble(value: number): number {
  let h = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 4294967296;
}

// At most about `limit` of the rows, evenly chosen, and always the two extremes of each group in
// `always`, so that the range drawn is the range there is.
export function chooseRows(
  report: Report,
  output: number,
  limit: number,
  always: number[],
): number[] {
  const all = Array.from({ length: report.shown }, (_, i) => i);
  if (all.length <= limit) return all;
  const chosen = new Set(all.sort((a, b) => scramble(a) - scramble(b) || a - b).slice(0, limit));
  for (const g of always) {
    let low = -1;
    let high = -1;
    for (let i = 0; i < report.shown; ++i) {
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
