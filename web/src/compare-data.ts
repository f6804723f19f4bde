// What the pages of comparisons share: the JSON that src/windlass/compare/ writes, and how it is
// read. Numbers that are not finite are null.

export interface Change {
  a: number | null;
  b: number | null;
  change: number;
  low: number | null;
  high: number | null;
  p?: number | null;
  certain?: boolean | null;
}

export interface Distance {
  wasserstein: number;
  ks: number;
  ks_critical: number;
  p: number;
  certain: boolean;
}

export interface Run {
  place: string;
  link: string | null;
  method: string | null;
  model: string | null;
  data: string | null;
  groups: number;
  intervals: boolean;
}

export interface Side extends Run {
  rows: number;
  failed_rows: number;
  sampled_rows: number;
}

export interface GroupDiff {
  group: string;
  only_in: "a" | "b" | null;
  mean: Change;
  importance: Change;
  distance: Distance | null;
}

export interface MovedRow {
  row: number;
  a: number;
  b: number;
  change: number;
  base: number;
  groups: { group: string; change: number }[];
  others: number;
}

export interface OutputDiff {
  output: string;
  prediction: Change;
  base_value: Change;
  groups: GroupDiff[];
  rows_moved: MovedRow[];
}

export interface Diff {
  windlass_diff: number;
  link: string | null;
  paired: boolean;
  pairing_reason: string;
  a: Side;
  b: Side;
  outputs_only_in: { a: string[]; b: string[] };
  tests: number;
  level: number;
  outputs: OutputDiff[];
  spec: Record<string, unknown>;
  versions: Record<string, unknown>;
}

export interface Estimate {
  mean: number;
  low: number | null;
  high: number | null;
}

export interface GroupPeriod {
  mean: Estimate;
  importance: Estimate;
  mean_change: Change | null;
  importance_change: Change | null;
  distance: Distance | null;
  alarm: boolean;
}

export interface GroupDrift {
  group: string;
  drift: number;
  alarms: string[];
  periods: (GroupPeriod | null)[];
}

export interface OutputDrift {
  output: string;
  prediction: Estimate[];
  base_value: number[];
  groups: GroupDrift[];
}

export interface Drift {
  windlass_drift: number;
  link: string | null;
  runs: Run[];
  by: string | null;
  periods: { period: string; rows: number; failed_rows: number }[];
  reference: string;
  rows_without_period: number;
  sampled_rows: number;
  outputs_left_out: { place: string; output: string }[];
  tests: number;
  level: number;
  outputs: OutputDrift[];
  spec: Record<string, unknown>;
  versions: Record<string, unknown>;
}

export function fromPage<T extends object>(key: string): T {
  const text = document.getElementById("windlass-data")?.textContent ?? "";
  const data = JSON.parse(text) as T;
  const version = (data as Record<string, unknown>)[key];
  if (version !== 1) throw new Error(`this page reads data of version 1, not ${String(version)}`);
  return data;
}
