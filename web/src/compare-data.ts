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
  failed_rows: number | null; // null where rows are paired: see failed_pairs
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
  // The largest that have the sign of the change; null: the base value.
  parts: { group: string | null; change: number }[];
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
  links_unknown: string[]; // places of runs
  other_values?: string[]; // in what else than model and data runs differ
  paired: boolean;
  pairing_reason: string;
  failed_pairs: number | null;
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
  // Null in a period whose rows all failed.
  prediction: (Estimate | null)[];
  base_value: (number | null)[];
  groups: GroupDrift[]; // those that drifted most
  all_groups: number; // also those that are in drift.parquet only
  all_groups_with_alarms: number;
  all_alarms: number;
}

export interface Drift {
  windlass_drift: number;
  link: string | null;
  links_unknown: string[];
  other_values?: string[];
  runs: Run[];
  by: string | null;
  periods: { period: string; rows: number; failed_rows: number }[];
  reference: string;
  rows_without_period: number;
  sampled_rows: number;
  outputs_left_out: { place: string; output: string }[];
  tests: number;
  level: number;
  all_outputs: number;
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
