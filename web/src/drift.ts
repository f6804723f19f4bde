// The page of drift: fills in the words and the table, and draws the charts as the reader chose.
import { fromPage, type Drift, type GroupDrift, type OutputDrift } from "./compare-data";
import {
  chooseOutput,
  fact,
  failedText,
  fillFooter,
  head,
  lastPart,
  mark,
  refuse,
  unitOf,
  otherValuesText,
  unknownLinksText,
  whenWidthChanges,
  widthOf,
} from "./compare-page";
import { heatMap, lineChart, mostHeatGroups, movedOf, rangeOf, type Measure } from "./drift-charts";
import { emphasise, find, h, options, say } from "./dom";
import { count, decimalsFor, fixed, plural, signed } from "./format";

const fewGroups = 6; // small charts at first
const leastColumn = 280; // pixels of one, as in drift.css
const gap = 26;

const measures: [Measure, string][] = [
  ["mean", "mean \u03c6: where predictions moved"],
  ["importance", "mean |\u03c6|: how much a group matters"],
];

let drift: Drift;
const state = { output: 0, measure: "mean" as Measure, shared: true, all: false };

const chosen = () => drift.outputs[state.output];
const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);

// What a browser could not draw is in the table of numbers only.
function listedText(output: OutputDrift): string {
  const parts: string[] = [];
  if (output.groups.length < output.all_groups) {
    const listed = output.groups.length;
    parts.push(
      ` This page has ${listed === 1 ? "the group" : `the ${count(listed)} groups`} that drifted ` +
        `most; all ${count(output.all_groups)} are in drift.parquet.`,
    );
  }
  const outputs = drift.all_outputs - drift.outputs.length;
  if (outputs > 0) parts.push(` ${plural(outputs, "more output")}: in drift.parquet.`);
  return parts.join("");
}

function fillHead(): void {
  const output = chosen();
  const alarmed = output.groups.find((group) => group.alarms.length > 0);
  const moved = output.all_groups_with_alarms;
  document.title = `Windlass drift: ${output.output}`;
  say("#what", `\u00b7 ${output.output}`);
  const total = plural(output.all_groups, "group");
  const parts =
    moved === 0
      ? [`No attribution certainly moved in ${plural(drift.periods.length, "period")}.`]
      : alarmed === undefined
        ? [`${count(moved)} of ${total} certainly moved, by little.`]
        : [`${count(moved)} of ${total} certainly moved, most of all `, alarmed.group, "."];
  say("#headline", ...emphasise("em", ...parts));
  const rows = drift.periods.map((period) => period.rows);
  const without = drift.rows_without_period;
  say(
    "#lede",
    `${plural(drift.periods.length, "period")}`,
    drift.by === null ? ", an explanation each" : ` by column ${drift.by}`,
    `, each compared with ${drift.reference}.`,
    without > 0 ? ` ${plural(without, "row")} name${without === 1 ? "s" : ""} no period.` : "",
    failedText(sum(drift.periods.map((period) => period.failed_rows))),
    unknownLinksText(drift.links_unknown),
    otherValuesText(drift.other_values),
    listedText(output),
  );
  const first = drift.runs[0];
  const places = drift.runs.length === 1 ? lastPart(first.place) : plural(drift.runs.length, "run");
  const few = Math.min(...rows);
  const many = Math.max(...rows);
  say(
    "#facts",
    fact("Explained", places, [first.model, first.data].map(lastPart).filter(Boolean).join(", ")),
    fact("Periods", count(drift.periods.length), `reference ${drift.reference}`),
    fact(
      "Rows",
      count(sum(rows)),
      few === many ? `${count(few)} a period` : `${count(few)} to ${count(many)} a period`,
    ),
    fact("Alarms", count(output.all_alarms)),
    fact("Tests", count(drift.tests), "alarms hold for all of them together (Holm, 5 %)"),
  );
}

function fillText(): void {
  const unit = unitOf(drift.link);
  say(
    "#heat-text",
    `How far attributions moved since ${drift.reference}: the distance of their distributions `,
    `(Wasserstein${unit === "" ? "" : `, ${unit}`}), or the change of their mean where that is `,
    "more. Framed: an alarm.",
  );
  say(
    "#lines-text",
    "Groups that drifted most come first. Bands are 95 % intervals of each mean; rings are alarms; ",
    `the dashed line is ${drift.reference}.`,
  );
  say(
    "#numbers-text",
    "Drift is the most that a group moved in any period; change, that of its mean in the last ",
    "period it was compared in.",
  );
  const most = Math.max(...drift.periods.map((period) => period.rows));
  say(
    "#reading",
    "An alarm: the mean, the mean size, or the distribution (Kolmogorov-Smirnov) certainly differs ",
    "from the reference. Intervals take rows for independent",
    drift.runs.some((run) => run.intervals)
      ? ", and are widened by those of the sampled attributions themselves. "
      : ". ",
    most > drift.sampled_rows
      ? `Distances are over at most ${count(drift.sampled_rows)} rows a period, a random sample ` +
          "that depends on row numbers alone."
      : "",
  );
  const left = drift.outputs_left_out.map((one) => `${one.output} (${one.place})`);
  if (left.length > 0) find("#numbers .note").textContent = `Outputs left out: ${left.join(", ")}.`;
}

function numbersTable(groups: GroupDrift[]): HTMLElement {
  const decimals = Math.min(6, decimalsFor(groups[0]?.drift ?? 0) + 1);
  const number = { class: "number" };
  const cell = (text: string) => h("td", number, text);
  const row = (group: GroupDrift) => {
    const compared = group.periods.filter((period) => period !== null && period.mean_change !== null);
    const last = compared[compared.length - 1];
    const ks = Math.max(0, ...compared.map((period) => period!.distance?.ks ?? 0));
    const moved = group.periods.map((_, t) => movedOf(group, t) ?? -1);
    const most = moved.indexOf(Math.max(...moved));
    return h(
      "tr",
      {},
      h("td", {}, group.group),
      h("td", { class: group.alarms.length > 0 ? "number certain" : "number" }, fixed(group.drift, decimals)),
      cell(last?.mean_change ? signed(last.mean_change.change, decimals) : "\u2013"),
      cell(fixed(ks, 3)),
      cell(count(group.alarms.length)),
      h("td", {}, moved[most] > 0 ? drift.periods[most].period : "\u2013"),
    );
  };
  return h(
    "table",
    {},
    head([
      ["Group", false],
      ["Drift", true],
      ["Change", true],
      ["Largest KS", true],
      ["Alarms", true],
      ["Moved most in", false],
    ]),
    h("tbody", {}, ...groups.map(row)),
  );
}

function drawHeat(): void {
  const output = chosen();
  find("#heat .chart").replaceChildren(heatMap(drift, output, widthOf("#heat .chart")));
  const largest = Math.max(0, ...output.groups.map((group) => group.drift));
  say(
    "#heat .legend",
    h(
      "span",
      { class: "ramp" },
      "0",
      h(
        "i",
        { "aria-hidden": "true" },
        ...[0.04, 0.28, 0.52, 0.76, 1].map((opacity) =>
          h("b", { style: `background: var(--accent); opacity: ${opacity}` }),
        ),
      ),
      fixed(largest, decimalsFor(largest)),
    ),
    mark("ring", "alarm"),
  );
  const rest = output.groups.length - mostHeatGroups;
  say("#heat figcaption", rest > 0 ? `${plural(rest, "more group")}: in the numbers.` : "");
}

function drawLines(): void {
  const { groups } = chosen();
  const shown = state.all ? groups : groups.slice(0, fewGroups);
  const place = find("#lines .multiples");
  const room = widthOf("#lines .multiples");
  const columns = Math.max(1, Math.floor((room + gap) / (leastColumn + gap)));
  const width = Math.floor((room - gap * (columns - 1)) / columns);
  const common = rangeOf(drift, groups, state.measure);
  place.replaceChildren(
    ...shown.map((group) => {
      const domain = state.shared ? common : rangeOf(drift, [group], state.measure);
      const alarms = group.alarms.length;
      const note = alarms === 0 ? "" : plural(alarms, "alarm");
      return h(
        "div",
        {},
        h("h3", {}, group.group, h("small", {}, note)),
        lineChart(drift, group, state.measure, domain, width) as unknown as HTMLElement,
      );
    }),
  );
  find("#all").hidden = groups.length <= fewGroups;
  find("#all").textContent = state.all ? "Show fewer" : `Show all ${plural(groups.length, "group")}`;
}

function drawCharts(): void {
  drawHeat();
  drawLines();
}

function fill(): void {
  fillHead();
  say("#numbers .table", numbersTable(chosen().groups));
  drawCharts();
}

function listen(): void {
  find<HTMLSelectElement>("#measure").addEventListener("change", (event) => {
    state.measure = (event.target as HTMLSelectElement).value as Measure;
    drawLines();
  });
  find("#shared").addEventListener("click", () => {
    state.shared = !state.shared;
    find("#shared").setAttribute("aria-pressed", String(state.shared));
    drawLines();
  });
  find("#all").addEventListener("click", () => {
    state.all = !state.all;
    drawLines();
  });
  whenWidthChanges(drawCharts);
}

try {
  drift = fromPage<Drift>("windlass_drift");
  options(find("#measure"), measures, state.measure);
  chooseOutput(
    drift.outputs.map((output) => output.output),
    (output) => {
      state.output = output;
      fill();
    },
  );
  fillText();
  fillFooter(drift.spec, drift.versions);
  fill();
  listen();
} catch (error) {
  refuse("drift", error);
  throw error; // for the console, with its place in the code
}
