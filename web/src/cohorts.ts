// The cohorts side by side: a column a cohort, a line a group, the stronger a cell's colour the
// more the group moves the cohort's predictions.
import type { Report } from "./data";
import { h } from "./dom";
import { count, decimalsFor, fixed, interval, percent, signed } from "./format";
import type { Split } from "./split";

const leastWidth = 84; // of a cohort's column, in pixels
const strongest = 0.5; // the opacity of the largest cell's colour: more would drown its number

export interface CohortsOptions {
  output: number;
  groups: number[]; // the lines, in order
  signs: boolean; // the mean attribution, up or down, instead of its mean size
  chosen: number; // the cohort in view, -1: all rows
  onChoose(cohort: number): void;
}

function heading(split: Split, options: CohortsOptions): HTMLElement {
  const button = (name: string, c: number) => {
    const empty = split.cohorts[c].rows.length === 0;
    const element = h("button", { type: "button", title: name, "data-cohort": String(c) });
    element.append(h("span", {}, name));
    element.setAttribute("aria-pressed", String(c === options.chosen));
    element.disabled = empty;
    if (empty) element.title = `${name}: none of its rows is in this page`;
    element.addEventListener("click", () => options.onChoose(c));
    return element;
  };
  return h(
    "tr",
    {},
    h("th", { scope: "col" }, split.by),
    ...split.cohorts.map(({ name }, c) => h("th", { scope: "col" }, button(name, c))),
  );
}

export function cohortsTable(
  report: Report,
  split: Split,
  options: CohortsOptions,
): HTMLTableElement {
  const { output, groups, signs } = options;
  const measures = split.measures(output);
  const all = report.groups.length;
  const values = signs ? measures.mean : measures.meanAbsolute;
  const cohorts = split.cohorts.map((_, c) => c);
  const finite = groups
    .flatMap((g) => cohorts.map((c) => Math.abs(values[c * all + g])))
    .filter(Number.isFinite);
  const largest = Math.max(0, ...finite);
  const decimals = decimalsFor(largest);
  const fact = (name: string, cells: (string | Node)[][]) =>
    h(
      "tr",
      { class: "fact" },
      h("th", { scope: "row" }, name),
      ...cells.map((parts, c) => h("td", { "data-cohort": String(c) }, ...parts)),
    );
  const levels = measures.prediction.filter(Number.isFinite).map(Math.abs);
  const level = (value: number): (string | Node)[] =>
    Number.isNaN(value)
      ? ["\u2013"]
      : [
          fixed(value, decimalsFor(Math.max(0, ...levels))),
          ...(report.logit ? [h("small", {}, percent(value))] : []),
        ];
  const cell = (g: number, c: number) => {
    const value = values[c * all + g];
    if (!Number.isFinite(value)) return h("td", { "data-cohort": String(c) }, "\u2013");
    const number = fixed(value, decimals);
    const share = largest > 0 ? Math.abs(value) / largest : 0;
    const colour = signs ? (value < 0 ? "--negative" : "--positive") : "--accent";
    const plusMinus = signs ? "" : interval(measures.halfWidth[c * all + g] ?? NaN, decimals + 1);
    return h(
      "td",
      {
        "data-cohort": String(c),
        "data-group": String(g),
        "data-value": String(value),
        style: `--cell: var(${colour}); --share: ${(strongest * share).toFixed(3)}`,
        title: `${report.groups[g].name}, ${split.cohorts[c].name}: ${number}${plusMinus}`,
      },
      h("span", {}, signs ? signed(value, decimals) : number),
      ...(plusMinus === "" ? [] : [h("small", {}, plusMinus.trim())]),
    );
  };
  const table = h(
    "table",
    {},
    h("thead", {}, heading(split, options)),
    h(
      "tbody",
      {},
      fact(
        "Rows",
        measures.count.map((n) => [count(n)]),
      ),
      fact("Mean prediction", measures.prediction.map(level)),
      ...groups.map((g) => {
        const { name } = report.groups[g];
        return h(
          "tr",
          {},
          h("th", { scope: "row", title: name }, name),
          ...cohorts.map((c) => cell(g, c)),
        );
      }),
    ),
  );
  // The mouse may choose a cohort anywhere in its column; the keyboard has the heading's button.
  table.addEventListener("click", (event) => {
    const target = (event.target as Element).closest<HTMLElement>("td[data-cohort]");
    const c = Number(target?.dataset.cohort ?? -1);
    if (c >= 0 && split.cohorts[c].rows.length > 0) options.onChoose(c);
  });
  table.style.minWidth = `${160 + split.cohorts.length * leastWidth}px`; // else it scrolls
  markChosen(table, options.chosen);
  return table;
}

export function markChosen(table: Element, chosen: number): void {
  for (const element of table.querySelectorAll<HTMLElement>("[data-cohort]")) {
    const is = Number(element.dataset.cohort) === chosen;
    element.classList.toggle("chosen", is);
    if (element.tagName === "BUTTON") element.setAttribute("aria-pressed", String(is));
  }
}
