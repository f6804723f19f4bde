// The page: fills in the words, draws the charts, and keeps what the reader chose.
import { beeswarmChart, type Beeswarm } from "./beeswarm";
import { cohortsTable, markChosen } from "./cohorts";
import { none, rampLegend, swatch } from "./colour";
import { Report } from "./data";
import { dependenceChart } from "./dependence";
import { emphasise, find, h, options, say } from "./dom";
import { amount, count, decimalsFor, fixed, percent, plural } from "./format";
import { interactionsChart, interactionsLegend, interactionsTable, pairsOf } from "./interactions";
import { importanceChart, importanceTable } from "./importance";
import { canSplit, givenSplit, splitBy, type Split } from "./split";
import { rowsTable, type RowsTable, type Sorting } from "./table";
import { waterfallChart } from "./waterfall";
import { certainText, fillFooter, fillHeader, ranksText, rowsText } from "./words";

const manyGroups = 40; // more are folded away until asked for
const firstGroups = 30;
const firstInCohorts = 12; // lines of the cohorts' table

let report: Report;
const state = { output: 0, row: -1, group: -1, colour: -1, all: false, whole: false, extremes: 0 };
let beeswarm: Beeswarm | null = null;
// Of the cohorts: how rows are split, which cohort is in view (-1: all rows), what is shown.
let split: Split | null = null;
const cohorts = { chosen: -1, signs: false, all: false };
let everyRow: number[] = [];
let table: RowsTable | null = null;
let sorting: Sorting = "number";

// The rows of the page that are in view, ascending.
const inView = (): number[] => split?.cohorts[cohorts.chosen]?.rows ?? everyRow;

let outputs: string[] = [];
const chartOf = (section: string) => find(`#${section} .chart`);

// All sections are as wide. To ask makes the browser lay out what has changed so far, so it is
// asked once for all that is drawn in one go, and first.
let chartWidth = 0;

function widthOfCharts(): number {
  if (chartWidth === 0) {
    chartWidth = Math.max(260, Math.floor(chartOf("importance").clientWidth));
    queueMicrotask(() => {
      chartWidth = 0;
    });
  }
  return chartWidth;
}

function listed(): number[] {
  const order = report.order(state.output);
  return state.all || order.length <= manyGroups ? order : order.slice(0, firstGroups);
}

function drawImportance(): void {
  const groups = listed();
  const hidden = report.groups.length - groups.length;
  say(
    "#importance-text",
    "How far each group moves a prediction away from the base value, up or down, on average over ",
    `all ${plural(report.document.rows, "row")}. Choose a bar to see how that group acts.`,
  );
  chartOf("importance").replaceChildren(
    importanceChart(report, {
      width: widthOfCharts(),
      output: state.output,
      groups,
      onChoose(group) {
        chooseGroup(group);
        find("#dependence").scrollIntoView();
        find("#feature").focus({ preventScroll: true });
      },
    }),
  );
  const all = count(report.groups.length);
  const first = hidden > 0 ? `The ${count(groups.length)} most important of ${all} groups. ` : "";
  say("#importance figcaption", first, ranksText(report, state.output));
  const more = find<HTMLButtonElement>("#importance .more");
  more.hidden = report.groups.length <= manyGroups;
  more.textContent =
    hidden > 0
      ? `Show all ${count(report.groups.length)} groups`
      : `Show only the first ${firstGroups}`;
  say("#importance .table", importanceTable(report, state.output));
}

function drawBeeswarm(): void {
  const groups = listed();
  const numeric = groups.some((g) => report.groups[g].kind === "numeric");
  const other = groups.some((g) => report.groups[g].kind !== "numeric");
  const previous = beeswarm;
  beeswarm = beeswarmChart(report, {
    width: widthOfCharts(),
    output: state.output,
    groups,
    rows: inView(),
    whole: state.whole,
    onChoose(i) {
      chooseRow(i);
      const box = find("#one-row").getBoundingClientRect();
      if (box.top > innerHeight * 0.7 || box.bottom < innerHeight * 0.3) {
        find("#one-row").scrollIntoView();
      }
    },
  });
  if (previous === null) {
    say(
      "#beeswarm-text",
      "Each dot is one row. Right of the middle line a group raised the prediction, left of it ",
      "lowered it. Choose a dot to see its row step by step.",
    );
  }
  chartOf("beeswarm").replaceChildren(beeswarm.chart);
  find("#beeswarm .legend").replaceChildren(
    ...(numeric ? [rampLegend("low value", "high value")] : []),
    ...(other ? [swatch(none, "categories or several columns")] : []),
  );
  const captions: string[] = [];
  if (report.sampled) captions.push(`${capital(rowsText(report))}.`);
  if (beeswarm.chosen < inView().length) {
    const drawn = `${count(beeswarm.chosen)} of ${count(inView().length)} rows are drawn`;
    captions.push(
      `So that the page stays quick, ${drawn}, each group\u2019s extremes always among them.`,
    );
  }
  if (beeswarm.incomplete > 0) {
    captions.push(`${plural(beeswarm.incomplete, "row")} without finite attributions left out.`);
  }
  if (beeswarm.beyond > 0) {
    const stand = beeswarm.beyond === 1 ? "stands" : "stand";
    captions.push(
      `${plural(beeswarm.beyond, "dot")} far beyond the axis ${stand} at its end as a triangle.`,
    );
  }
  const range = find<HTMLButtonElement>("#beeswarm .more");
  range.hidden = !beeswarm.far;
  range.textContent = state.whole ? "Usual range" : "Whole range";
  captions.push("The rings mark the row chosen below.");
  say("#beeswarm figcaption", captions.join(" "));
  beeswarm.highlight(state.row);
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

// `note` comes before the words about the row.
function drawRow(note = ""): void {
  const i = state.row;
  const chart = chartOf("one-row");
  if (i < 0) {
    say("#row-text", "No rows were explained.");
    chart.replaceChildren();
    return;
  }
  const input = find<HTMLInputElement>("#row");
  input.value = String(report.row(i));
  const rows = inView();
  find<HTMLButtonElement>("#previous").disabled = i === rows[0];
  find<HTMLButtonElement>("#next").disabled = i === rows[rows.length - 1];
  beeswarm?.highlight(i);
  const prediction = report.prediction(i, state.output);
  const base = report.baseValue[state.output];
  const name = `Row ${count(report.row(i))}`;
  if (!report.complete(i, state.output)) {
    say(
      "#row-text",
      note,
      h("strong", {}, name),
      " has no finite attributions, so there is nothing to draw.",
    );
    chart.replaceChildren();
    return;
  }
  const decimals = decimalsFor(Math.max(Math.abs(prediction), Math.abs(base)));
  const away = prediction - base;
  const size = amount(report, fixed(Math.abs(away), decimals));
  const distance =
    away === 0
      ? "exactly the base value of "
      : `${size} ${away > 0 ? "above" : "below"} the base value of `;
  say(
    "#row-text",
    ...emphasise(
      "strong",
      note,
      name,
      " is predicted ",
      report.logit ? percent(prediction) : fixed(prediction, decimals),
      report.logit ? `, or ${amount(report, fixed(prediction, decimals))}: ` : ": ",
    ),
    `${distance}${fixed(base, decimals)}${report.logit ? ` (${percent(base)})` : ""}. `,
    ...(report.shown > 1 ? [`${rankText(i)}. `] : []),
  );
  chart.replaceChildren(waterfallChart(report, i, state.output, widthOfCharts()));
  say(
    "#one-row figcaption",
    "From the base value, the prediction expected before anything is known of the row, ",
    "to its prediction; ",
    h("span", { class: "positive" }, "red"),
    " raises it, ",
    h("span", { class: "negative" }, "blue"),
    " lowers it.",
    certainText(report, i, state.output),
    report.sampled ? ` This page holds ${rowsText(report)}.` : "",
  );
}

// Rows from the farthest from the base value to the nearest, for the output in view.
interface Ranking {
  output: number;
  rows: number[];
  order: number[];
  place: Int32Array; // [shown], -1: not in the order
}
let ranking: Ranking | null = null;

function extremes(): { order: number[]; place: Int32Array } {
  const rows = inView();
  if (ranking === null || ranking.output !== state.output || ranking.rows !== rows) {
    const base = report.baseValue[state.output];
    const order = rows.filter((i) => report.complete(i, state.output));
    const away = new Float64Array(report.shown);
    for (const i of order) away[i] = Math.abs(report.prediction(i, state.output) - base);
    order.sort((a, b) => away[b] - away[a] || a - b);
    const place = new Int32Array(report.shown).fill(-1);
    order.forEach((i, k) => (place[i] = k));
    ranking = { output: state.output, rows, order, place };
  }
  return ranking;
}

function rankText(i: number): string {
  const { order, place } = extremes();
  const rank = Math.max(0, place[i]) + 1;
  const tail =
    rank % 100 >= 11 && rank % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][rank % 10] ?? "th");
  const ordinal = rank === 1 ? "the most extreme" : `the ${count(rank)}${tail} most extreme`;
  const cohort = cohorts.chosen < 0 ? "" : " of its cohort";
  return `It is ${ordinal} of ${plural(order.length, "row")}${cohort}`;
}

function drawDependence(): void {
  const { group, output, colour } = state;
  if (group < 0) return;
  const { chart, legend, caption } = dependenceChart(report, {
    width: widthOfCharts(),
    output,
    group,
    rows: inView(),
    colour: colour < 0 ? null : colour,
    selected: state.row,
  });
  const order = report.order(output);
  const size = report.meanAbsolute(output, group);
  say(
    "#dependence-text",
    ...emphasise(
      "strong",
      "",
      report.groups[group].name,
      ` moves predictions by ${amount(report, fixed(size, decimalsFor(size)))} on average, ` +
        `number ${count(order.indexOf(group) + 1)} of ${plural(order.length, "group")}.`,
    ),
  );
  find("#dependence .legend").replaceChildren(...legend);
  chartOf("dependence").replaceChildren(...(chart === null ? [] : [chart]));
  say("#dependence figcaption", caption);
}

function drawCohorts(): void {
  find("#cohorts").hidden = split === null;
  if (split === null) return;
  const order = report.order(state.output);
  const groups = cohorts.all ? order : order.slice(0, firstInCohorts);
  const more = find<HTMLButtonElement>("#cohorts .more");
  more.hidden = order.length <= firstInCohorts;
  more.textContent = cohorts.all
    ? `Show only the first ${firstInCohorts}`
    : `Show all ${count(order.length)} groups`;
  find("#cohorts .table").replaceChildren(
    cohortsTable(report, split, {
      output: state.output,
      groups,
      signs: cohorts.signs,
      chosen: cohorts.chosen,
      onChoose: (c) => chooseCohort(c === cohorts.chosen ? -1 : c),
    }),
  );
  const { rows } = report.document;
  const which = split.everyRow
    ? `over all ${plural(rows, "row")} of the job`
    : `over the ${count(report.shown)} rows of this page, a sample of ${count(rows)}`;
  say(
    "#cohorts-text",
    `What each group does, on average, to cohorts of rows, ${which}. `,
    "Choose a cohort to see only its rows below.",
  );
  say("#cohorts figcaption", split.note, cohortsUnit());
}

function cohortsUnit(): string {
  const unit = report.logit ? ", in log-odds" : "";
  const width = report.hasIntervals && !cohorts.signs;
  return (
    (cohorts.signs
      ? `Mean \u03c6${unit}: red raises the predictions of a cohort, blue lowers them.`
      : `Mean |\u03c6|${unit}: the stronger the colour, the further a group moves predictions.`) +
    (width ? " \u00b1 is half of a 95 % interval." : "")
  );
}

function drawChip(): void {
  const chip = find("#chip");
  const cohort = split?.cohorts[cohorts.chosen];
  chip.hidden = cohort === undefined;
  if (split === null || cohort === undefined) return;
  say(
    "#chip span",
    `${split.by}: ${cohort.name} \u00b7 ${count(cohort.rows.length)} of `,
    `${count(report.shown)} rows${report.sampled ? " of this page" : ""}`,
  );
}

// Shows only the rows of a cohort in the charts of rows; -1 shows all.
function chooseCohort(c: number): void {
  widthOfCharts();
  cohorts.chosen = c;
  const cells = document.querySelector("#cohorts table");
  if (cells !== null) markChosen(cells, c);
  drawChip();
  if (!inView().includes(state.row)) state.row = inView()[0] ?? -1;
  state.extremes = 0;
  fillRowField();
  drawBeeswarm();
  drawRow();
  drawRows();
  drawDependence();
}

function drawRows(): void {
  const rows = inView();
  find("#rows").hidden = report.shown < 2;
  if (report.shown < 2) return;
  const sample = report.sampled ? ", a sample of all," : "";
  const which = cohorts.chosen < 0 ? `of this page${sample}` : "of the cohort";
  say(
    "#rows-text",
    `The ${plural(rows.length, "row")} ${which} with the values and attributions of the most `,
    "important groups. Choose one to see it step by step.",
  );
  table?.show(rows, state.output, sorting, state.row);
}

function fillRowField(): void {
  const rows = inView();
  if (rows.length === 0) return;
  const input = find<HTMLInputElement>("#row");
  input.min = String(report.row(rows[0]));
  input.max = String(report.row(rows[rows.length - 1]));
}

// How the reader may split rows: as the job did, or by any group whose values are known.
function fillSplits(): void {
  const given = givenSplit(report);
  const usable = report.order(state.output).filter((g) => canSplit(report, g));
  if (given === null && (usable.length === 0 || report.shown < 2)) return;
  const choices = usable.map((g): [string, string] => [String(g), report.groups[g].name]);
  if (given !== null) choices.unshift(["given", `${given.by} (all rows of the job)`]);
  const select = find<HTMLSelectElement>("#cohorts-by");
  options(select, choices, choices[0][0]);
  const choose = (value: string) => {
    split = value === "given" ? given : splitBy(report, Number(value));
  };
  choose(choices[0][0]);
  select.addEventListener("change", () => {
    const filtered = cohorts.chosen >= 0;
    choose(select.value);
    cohorts.chosen = -1;
    drawCohorts();
    if (filtered) chooseCohort(-1);
  });
  const measure = find<HTMLSelectElement>("#cohorts-measure");
  measure.addEventListener("change", () => {
    cohorts.signs = measure.value === "sign";
    drawCohorts();
  });
  find("#cohorts .more").addEventListener("click", () => {
    cohorts.all = !cohorts.all;
    drawCohorts();
  });
  find("#chip button").addEventListener("click", () => {
    chooseCohort(-1);
    find("#cohorts-by").focus({ preventScroll: true });
  });
}

function drawInteractions(): void {
  find("#interactions").hidden = !report.hasInteractions;
  if (!report.hasInteractions) return;
  const pairs = pairsOf(report, state.output);
  const { chart, groups, largest } = interactionsChart(report, widthOfCharts(), state.output);
  const strongest = pairs[0];
  say(
    "#interactions-text",
    ...emphasise(
      "strong",
      "What two groups do together, beyond what each does alone. The strongest pair is ",
      `${report.groups[strongest.a].name} with ${report.groups[strongest.b].name}`,
      `: ${amount(report, fixed(strongest.size, decimalsFor(strongest.size)))} on average over ` +
        `all ${plural(report.document.rows, "row")}.`,
    ),
  );
  chartOf("interactions").replaceChildren(chart);
  say("#interactions .legend", interactionsLegend(report, largest));
  say(
    "#interactions figcaption",
    "The darker a square, the stronger the interaction of the group named at the right end of its ",
    "row with the one named at the top of its column.",
    groups.length < report.groups.length
      ? ` Only the ${count(groups.length)} groups of the strongest pairs are drawn.`
      : "",
  );
  say("#interactions .table", interactionsTable(report, state.output));
}

function fillChoices(): void {
  const order = report.order(state.output);
  options(
    find("#feature"),
    order.map((g) => [String(g), report.groups[g].name]),
    String(state.group),
  );
  const colourable = order.filter((g) => report.groups[g].kind !== "none");
  options(
    find("#colour"),
    [
      ["-1", "nothing"],
      ...colourable.map((g): [string, string] => [String(g), report.groups[g].name]),
    ],
    String(state.colour),
  );
}

function chooseRow(i: number, note = ""): void {
  widthOfCharts();
  state.row = i;
  table?.mark(i);
  drawRow(note);
  drawDependence();
}

function chooseGroup(group: number): void {
  widthOfCharts();
  state.group = group;
  find<HTMLSelectElement>("#feature").value = String(group);
  drawDependence();
}

function drawAll(): void {
  drawImportance();
  drawCohorts();
  drawBeeswarm();
  drawRow();
  drawRows();
  drawDependence();
  drawInteractions();
}

// The row of the page whose number is nearest to the wanted one.
function nearest(wanted: number): number {
  const rows = inView();
  let best = rows[0];
  for (const i of rows) {
    if (Math.abs(report.row(i) - wanted) < Math.abs(report.row(best) - wanted)) best = i;
  }
  return best;
}

function listen(): void {
  find<HTMLSelectElement>("#output").addEventListener("change", (event) => {
    widthOfCharts();
    state.output = Number((event.target as HTMLSelectElement).value);
    state.extremes = 0;
    state.group = report.order(state.output)[0] ?? -1;
    fillHeader(report, state.output);
    fillChoices();
    drawAll();
  });
  find("#importance .more").addEventListener("click", () => {
    state.all = !state.all;
    drawImportance();
    drawBeeswarm();
  });
  find("#beeswarm .more").addEventListener("click", () => {
    state.whole = !state.whole;
    drawBeeswarm();
  });
  const input = find<HTMLInputElement>("#row");
  input.addEventListener("change", () => {
    if (report.shown === 0) return;
    const wanted = input.valueAsNumber;
    const i = Number.isFinite(wanted) ? nearest(wanted) : state.row;
    chooseRow(
      i,
      report.row(i) === wanted || !Number.isFinite(wanted)
        ? ""
        : `${cohorts.chosen < 0 ? "This page" : "The cohort"} has no row ${count(wanted)}; ` +
            "here is the nearest. ",
    );
  });
  // The arrow keys of a number field would step to numbers that the page may not hold.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    event.preventDefault();
    step(event.key === "ArrowUp" ? 1 : -1);
  });
  find("#previous").addEventListener("click", () => step(-1));
  find("#next").addEventListener("click", () => step(1));
  find("#extreme").addEventListener("click", () => {
    const { order } = extremes();
    if (order.length === 0) return;
    // From the most extreme row, another press leads to the next one.
    state.extremes = state.row === order[state.extremes] ? (state.extremes + 1) % order.length : 0;
    chooseRow(order[state.extremes]);
  });
  const ends = (sign: number) => () => {
    const { order } = extremes();
    if (order.length === 0) return;
    chooseRow(
      order.reduce((best, i) =>
        sign * (report.prediction(i, state.output) - report.prediction(best, state.output)) > 0
          ? i
          : best,
      ),
    );
  };
  find<HTMLSelectElement>("#sorting").addEventListener("change", (event) => {
    sorting = (event.target as HTMLSelectElement).value as Sorting;
    drawRows();
  });
  find("#highest").addEventListener("click", ends(1));
  find("#lowest").addEventListener("click", ends(-1));
  find<HTMLSelectElement>("#feature").addEventListener("change", (event) =>
    chooseGroup(Number((event.target as HTMLSelectElement).value)),
  );
  find<HTMLSelectElement>("#colour").addEventListener("change", (event) => {
    state.colour = Number((event.target as HTMLSelectElement).value);
    drawDependence();
  });
  let width = innerWidth;
  let timer = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's toolbar changes only the height
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(drawAll, 80);
  });
}

function step(by: number): void {
  const i = inView()[inView().indexOf(state.row) + by];
  if (i !== undefined) chooseRow(i);
}

function start(): void {
  report = Report.fromPage();
  outputs = report.document.outputs;
  if (outputs.length > 1) {
    find("#output-choice").hidden = false;
    options(
      find("#output"),
      outputs.map((name, o) => [String(o), name]),
      "0",
    );
  }
  everyRow = Array.from({ length: report.shown }, (_, i) => i);
  if (report.shown > 0) state.row = 0;
  fillRowField();
  state.group = report.order(0)[0] ?? -1;
  fillHeader(report, state.output);
  fillChoices();
  fillFooter(report);
  fillSplits();
  table = rowsTable(report, chooseRow);
  find("#rows-table").append(table.element);
  listen();
  drawAll();
}

try {
  start();
} catch (error) {
  say("h1", "This report cannot be drawn.");
  say("#lede", error instanceof Error ? error.message : String(error));
  throw error; // for the console, with its place in the code
}
