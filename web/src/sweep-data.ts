// The data of a sweep: the JSON that src/windlass/bench/results.cc writes and puts into the page.

export type Mode = "pool" | "serve";

export interface Sample {
  mode?: Mode; // absent in older sweeps, which have the one mode of their document
  workers: number;
  batch: number;
  run: number;
  rows: number;
  wall_s: number;
  cpu_s: number;
  compute_wall_s: number;
  compute_cpu_s: number;
}

export interface Spread {
  median: number;
  min: number;
  max: number;
}

export interface Configuration {
  mode?: Mode;
  workers: number;
  batch: number;
  runs: number;
  wall_s: Spread;
  compute_wall_s: Spread;
  median_cpu_s: number;
  rows_per_s: number;
  speed_up: number | null;
}

interface Document {
  windlass_sweep: number;
  started: string;
  stopped: string | null;
  spec: Record<string, unknown>;
  method: string;
  reason: string;
  engine: string;
  // "serve": the rows went to a service, whose replicas are the workers.
  mode?: Mode | "both";
  batching?: string | null;
  workers: number[];
  batches: number[];
  nruns: number;
  machine: { host: string; cpu: string; cores: number; system: string; load_before: number };
  versions: Record<string, unknown>;
  warm_up: Sample[];
  samples: Sample[];
  summary: Configuration[];
}

// The two times that a run has: of the whole job, and of the computation in it.
export type Measure = "wall_s" | "compute_wall_s";

// All configurations of one mode and batch size, by workers.
export interface Series {
  mode: Mode;
  batch: number;
  points: Configuration[];
  samples: Sample[];
}

export class Sweep {
  readonly series: Series[];

  constructor(readonly document: Document) {
    if (document.windlass_sweep !== 1) {
      throw new Error(`this page reads sweeps of version 1, not ${document.windlass_sweep}`);
    }
    if (document.summary.length === 0) throw new Error("this sweep holds no run");
    const batches = [...new Set(document.summary.map((one) => one.batch))].sort((a, b) => a - b);
    const modes: Mode[] = ["pool", "serve"];
    this.series = modes
      .flatMap((mode) => batches.map((batch) => this.seriesOf(mode, batch)))
      .filter((series) => series.points.length > 0);
  }

  private seriesOf(mode: Mode, batch: number): Series {
    const belongs = (one: Configuration | Sample) =>
      this.modeOf(one) === mode && one.batch === batch;
    return {
      mode,
      batch,
      points: this.document.summary.filter(belongs).sort((a, b) => a.workers - b.workers),
      samples: this.document.samples.filter(belongs),
    };
  }

  static fromPage(): Sweep {
    const text = document.getElementById("windlass-data")?.textContent ?? "";
    return new Sweep(JSON.parse(text) as Document);
  }

  modeOf(one: Configuration | Sample): Mode {
    return one.mode ?? (this.document.mode === "serve" ? "serve" : "pool");
  }
  has(mode: Mode): boolean {
    return this.series.some((series) => series.mode === mode);
  }
  get both(): boolean {
    return this.has("pool") && this.has("serve");
  }
  // Whether the cores of the machine that wrote this are not those of the workers.
  get elsewhere(): boolean {
    return /^(cluster |https?:)/.test(this.document.engine);
  }
  // Ascending.
  get workers(): number[] {
    const all = this.document.summary.map((one) => one.workers);
    return [...new Set(all)].sort((a, b) => a - b);
  }
  get rows(): number {
    return this.document.samples[0].rows;
  }
  get fastest(): Configuration {
    return this.document.summary.reduce((best, one) =>
      one.wall_s.median < best.wall_s.median ? one : best,
    );
  }
  // Of the same mode and batch size, the configuration with the fewest workers.
  baseOf(one: Configuration): Configuration {
    return this.series.find((series) => series.points.includes(one))!.points[0];
  }
}
