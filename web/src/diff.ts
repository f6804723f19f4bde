// The page of a comparison: fills in the words and the tables, and draws the charts.
import { swatch } from "./colour";
import { fromPage, type Diff, type GroupDiff, type MovedRow, type Side } from "./compare-data";
import {
  changeText,
  chooseOutput,
  fact,
  failedText,
  fillFooter,
  halfOf,
  head,
  lastPart,
  mark,
  refuse,
  unitOf,
  otherValuesText,
  unknownLinksText,
  whenWidthChanges,
  widthOf,
  withUnit,
} from "./compare-page";
import { changesOf, mostBars, waterfallOf, type Measure } from "./diff-charts";
import { emphasise, find, h, options, say } from "./dom";
import { count, decimalsFor, fixed, plural, signed } from "./format";

const measures: [Measure, string][] = [
  ["mean", "the change of mean \u03c6: where predictions moved"],
  ["importance", "the change of mean |\u03c6|: what matters more or less"],
  ["distance", "the distance of attributions: also what a mean misses"],
];

let diff: Diff;
const state = { output: 0, measure: "mean" as Measure };

const chosen = () => diff.outputs[state.output];
const size = (value: number | null): number => Math.abs(value ?? 0);

function leftOutText(): string {
  if (diff.failed_pairs === null) {
    return failedText((diff.a.failed_rows ?? 0) + (diff.b.failed_rows ?? 0));
  }
  if (diff.failed_pairs === 0) return "";
  const one = diff.failed_pairs === 1;
  return (
    ` ${plural(diff.failed_pairs, "row")} ${one ? "has" : "have"} no finite attributions in A or in ` +
    `B and ${one ? "is" : "are"} left out of both.`
  );
}

function fillHead(): void {
  const output = chosen();
  const { prediction } = output;
  const decimals = decimalsFor(Math.max(size(prediction.a), size(prediction.b)));
  const half = halfOf(prediction);
  const moved = half !== null && Math.abs(prediction.change) > half;
  const top = output.groups.find((group) => group.only_in !== null || group.mean.certain);
  document.title = `Windlass comparison: ${lastPart(diff.a.place)} and ${lastPart(diff.b.place)}`;
  const verb = prediction.change < 0 ? "lower" : "higher";
  const amount = withUnit(fixed(Math.abs(prediction.change), decimals), diff.link);
  const first = moved
    ? `On average B predicts ${amount} ${verb} than A`
    : "On average B predicts as A does, within the interval";
  const second: string[] =
    top === undefined
      ? ["; no group certainly moved."]
      : ["; what moved most is ", top.group, "."];
  say("#headline", ...emphasise("em", first + second[0], ...second.slice(1)));
  say("#what", `\u00b7 ${output.output}`);
  const pairing = diff.paired ? "Rows are compared one by one" : "Rows are two samples";
  const certain = output.groups.filter((group) => group.mean.certain === true).length;
  say(
    "#lede",
    `${pairing}: ${diff.pairing_reason}. The means of ${count(certain)} of ` +
      `${plural(output.groups.length, "group")} certainly moved.` +
      leftOutText() +
      unknownLinksText(diff.links_unknown) +
      otherValuesText(diff.other_values),
  );
  const side = (name: string, of: Side) =>
    fact(name, lastPart(of.place), [of.model ?? "", of.data ?? ""].map(lastPart).filter(Boolean).join(", "));
  const rows =
    diff.a.rows === diff.b.rows
      ? count(diff.a.rows)
      : `${count(diff.a.rows)} and ${count(diff.b.rows)}`;
  say(
    "#facts",
    side("A", diff.a),
    side("B", diff.b),
    fact("Rows", rows, diff.paired ? "paired" : "two samples"),
    fact(
      "Mean prediction",
      `${fixed(prediction.a ?? NaN, decimals)} \u2192 ${fixed(prediction.b ?? NaN, decimals)}`,
      `${changeText(prediction, decimals)} ${unitOf(diff.link)}`.trim(),
    ),
    fact("Tests", count(diff.tests), "marks hold for all of them together (Holm, 5 %)"),
  );
}

function fillText(): void {
  say(
    "#waterfall-text",
    "The change of the mean prediction is that of the base value and of the groups' mean ",
    "attributions, exactly. Lines across the ends are 95 % intervals; pale bars are not certain.",
  );
  say(
    "#changes-text",
    "Groups that moved most come first. A mean can stay where it is while attributions spread out ",
    "or part: their distance tells, in the same unit.",
  );
  say(
    "#numbers-text",
    "Change \u00b1 half its 95 % interval. Bold: certain.",
    h("span", { class: "wide" }, " KS is the largest difference of the two distribution functions."),
  );
  const sampled = [diff.a, diff.b].some((side) => side.sampled_rows < side.rows);
  say(
    "#reading",
    diff.paired
      ? "Intervals are of the mean difference of rows (Student's t)"
      : "Intervals are of the difference of two means (the wider of Welch's and the pooled)",
    diff.a.intervals || diff.b.intervals
      ? ", widened by those of the sampled attributions themselves. "
      : ". ",
    sampled
      ? `Distances are over ${count(diff.a.sampled_rows)} and ${count(diff.b.sampled_rows)} rows, ` +
          "a random sample that depends on row numbers alone."
      : "",
  );
  say(
    "#changes .legend",
    swatch("var(--positive)", "up"),
    swatch("var(--negative)", "down"),
    mark("line", "95 % interval"),
    h("span", {}, "pale: not certain"),
  );
  const only = (["a", "b"] as const).flatMap((side) =>
    diff.outputs_only_in[side].map((name) => `${name} (only ${side.toUpperCase()})`),
  );
  if (only.length > 0) find("#numbers .note").textContent = `Outputs left out: ${only.join(", ")}.`;
}

function movedTable(rows: MovedRow[]): HTMLElement {
  const decimals = decimalsFor(Math.max(...rows.map((row) => Math.abs(row.change))));
  const number = { class: "number" };
  const parts = (row: MovedRow) =>
    row.parts
      .map((part) => `${part.group ?? "the base value"} ${signed(part.change, decimals)}`)
      .join(", ");
  return h(
    "table",
    {},
    head([
      ["Row", true],
      ["A", true],
      ["B", true],
      ["Change", true],
      ["Most of all by", false],
    ]),
    h(
      "tbody",
      {},
      ...rows.map((row) =>
        h(
          "tr",
          {},
          h("td", number, count(row.row)),
          h("td", number, fixed(row.a, decimals)),
          h("td", number, fixed(row.b, decimals)),
          h("td", number, signed(row.change, decimals)),
          h("td", {}, parts(row)),
        ),
      ),
    ),
  );
}

function numbersTable(groups: GroupDiff[]): HTMLElement {
  const largest = (of: (group: GroupDiff) => number) => Math.max(0, ...groups.map(of));
  const decimals = Math.min(6, decimalsFor(largest((group) => size(group.mean.change))) + 1);
  const cell = (text: string, certain: boolean | null | undefined, more = "") =>
    h("td", { class: `number${certain === true ? " certain" : ""}${more}` }, text);
  const row = (group: GroupDiff) => {
    const { distance } = group;
    const only = group.only_in === null ? "" : ` (only ${group.only_in.toUpperCase()})`;
    return h(
      "tr",
      {},
      h("td", {}, group.group + only),
      cell(fixed(group.mean.a ?? NaN, decimals), false),
      cell(fixed(group.mean.b ?? NaN, decimals), false),
      cell(changeText(group.mean, decimals), group.mean.certain),
      cell(changeText(group.importance, decimals), group.importance.certain),
      cell(distance === null ? "\u2013" : fixed(distance.wasserstein, decimals), distance?.certain),
      cell(distance === null ? "\u2013" : fixed(distance.ks, 3), distance?.certain, " wide"),
    );
  };
  return h(
    "table",
    {},
    head([
      ["Group", false],
      ["Mean \u03c6, A", true],
      ["B", true],
      ["Change", true],
      ["Change of mean |\u03c6|", true],
      ["Distance", true],
      ["KS", true, true],
    ]),
    h("tbody", {}, ...groups.map(row)),
  );
}

function drawCharts(): void {
  const output = chosen();
  find("#waterfall .chart").replaceChildren(
    waterfallOf(output, diff.link, widthOf("#waterfall .chart")),
  );
  find("#changes .chart").replaceChildren(
    changesOf(output, diff.link, state.measure, widthOf("#changes .chart")),
  );
  const rest = output.groups.length - mostBars;
  say("#changes figcaption", rest > 0 ? `${plural(rest, "more group")}: in the numbers.` : "");
}

function fill(): void {
  const output = chosen();
  fillHead();
  say("#numbers .table", numbersTable(output.groups));
  find("#rows").hidden = output.rows_moved.length === 0;
  if (output.rows_moved.length > 0) {
    say(
      "#rows-text",
      "By the change of their prediction, with up to three groups (or the base value) that moved it ",
      "that way most. Rows count from 0.",
    );
    say("#rows .table", movedTable(output.rows_moved));
  }
  drawCharts();
}

try {
  diff = fromPage<Diff>("windlass_diff");
  options(find("#measure"), measures, state.measure);
  chooseOutput(
    diff.outputs.map((output) => output.output),
    (output) => {
      state.output = output;
      fill();
    },
  );
  find<HTMLSelectElement>("#measure").addEventListener("change", (event) => {
    state.measure = (event.target as HTMLSelectElement).value as Measure;
    drawCharts();
  });
  fillText();
  fillFooter(diff.spec, diff.versions);
  fill();
  whenWidthChanges(drawCharts);
} catch (error) {
  refuse("comparison", error);
  throw error; // for the console, with its place in the code
}
