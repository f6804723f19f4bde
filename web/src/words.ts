// The page's words about the job as a whole: headline, facts, footer.
import type { Report } from "./data";
import { emphasise, find, h, say } from "./dom";
import { count, decimalsFor, fixed, percent, plural, signed, unit } from "./format";

// Which rows the page holds.
export function rowsText(report: Report): string {
  const { rows } = report.document;
  return report.sampled
    ? `a sample of ${count(report.shown)} of ${count(rows)} rows; importance bars are over all rows`
    : plural(rows, "row");
}

// How much of the order of a row's attributions is certain, where they were sampled.
export function certainText(report: Report, i: number, output: number): string {
  if (!report.hasIntervals) return "";
  const ranked = report.ranked(i, output);
  const whiskers = " Whiskers are 95 % intervals of each step.";
  if (ranked === 0) return `${whiskers} Not even the largest is certain to be it.`;
  if (ranked >= report.groups.length) return `${whiskers} The whole order is certain.`;
  return ranked === 1
    ? `${whiskers} Only the largest is certain to be it; the order of the others is not.`
    : `${whiskers} The order of the ${count(ranked)} largest is certain, that of the others not.`;
}

// Which groups cannot be told apart, where attributions were sampled; else nothing.
export function ranksText(report: Report, output: number): string {
  if (!report.hasIntervals) return "";
  const together = new Map<number, string[]>();
  for (const g of report.order(output)) {
    const rank = report.rank(output, g);
    together.set(rank, [...(together.get(rank) ?? []), report.groups[g].name]);
  }
  const shared = [...together].filter(([, names]) => names.length > 1);
  const whiskers = "Whiskers are 95 % intervals over the coalitions sampled.";
  if (shared.length === 0) return `${whiskers} They tell all groups apart.`;
  const list = shared.slice(0, 3).map(([rank, names]) => {
    const named = names.length > 4 ? [...names.slice(0, 3), `${names.length - 3} others`] : names;
    return `${named.slice(0, -1).join(", ")} and ${named[named.length - 1]} share rank ${rank}`;
  });
  const more = shared.length > list.length ? "; the table has more" : "";
  return `${whiskers} Groups of one rank cannot be told apart: ${list.join("; ")}${more}.`;
}

export function fillHeader(report: Report, output: number): void {
  const { document: d, groups } = report;
  const order = report.order(output);
  const sizes = order.map((g) => report.meanAbsolute(output, g));
  const total = sizes.filter(Number.isFinite).reduce((a, b) => a + b, 0);
  document.title = `${d.model === "" ? "Model" : d.model}: explained by Windlass`;
  say("#model", d.model === "" ? "" : `\u00b7 ${d.model}`);
  const target =
    d.outputs.length > 1 ? `the output \u201c${d.outputs[output]}\u201d` : "predictions";
  if (order.length === 0 || !(total > 0)) {
    say("#headline", `No group moves ${target}.`);
  } else {
    const size = fixed(sizes[0], decimalsFor(sizes[0]) - (sizes[0] < 1 ? 1 : 0));
    const average = report.logit ? `${size} on average (log-odds)` : `${size} on average`;
    say(
      "#headline",
      ...emphasise("em", "", groups[order[0]].name, ` moves ${target} most: ${average}.`),
    );
  }
  say("#lede", lede(report, order, sizes, total));
  const notes = d.notes ?? [];
  find("#notes").hidden = notes.length === 0;
  say("#notes", notes.map((note) => `Note: ${note}.`).join(" "));
  const fact = (name: string, value: string, note = "") =>
    h(
      "div",
      {},
      h("dt", {}, name),
      h("dd", {}, value, ...(note === "" ? [] : [h("small", {}, note)])),
    );
  say(
    "#facts",
    fact(
      "Rows explained",
      count(d.rows),
      report.sampled ? `${count(report.shown)} of them in this page` : d.data,
    ),
    fact(
      "Groups",
      count(groups.length),
      plural(
        groups.reduce((n, g) => n + g.columns.length, 0),
        "column",
      ),
    ),
    fact("Method", d.method, d.reason),
    fact(
      "Link",
      d.link,
      report.logit
        ? "attributions add up in log-odds"
        : d.margin === true
          ? "attributions add up in the model\u2019s margin"
          : "attributions add up in the model\u2019s own output",
    ),
    fact(
      "Base value",
      fixed(report.baseValue[output], 2),
      report.logit
        ? `log-odds; a probability of ${percent(report.baseValue[output])}`
        : "the mean over the background",
    ),
  );
}

function lede(report: Report, order: number[], sizes: number[], total: number): string {
  const names = order.slice(0, 3).map((g) => report.groups[g].name);
  const parts: string[] = [];
  if (order.length > 4 && total > 0) {
    const share = (100 * (sizes[0] + sizes[1] + sizes[2])) / total;
    parts.push(
      `${names[0]}, ${names[1]} and ${names[2]} together account for ` +
        `${share.toFixed(0)} % of all attribution to ${count(order.length)} groups.`,
    );
  }
  const { data } = report.document;
  const source = report.sampled || data === "" ? "" : ` of ${data}`;
  parts.push(`This page shows ${rowsText(report)}${source}.`);
  return parts.join(" ");
}

export function fillFooter(report: Report): void {
  const d = report.document;
  say(
    "#method",
    `Method: ${d.method}${d.reason === "" ? "" : ` (${d.reason})`}. `,
    d.model_evaluations === 0
      ? "No model evaluation was needed."
      : `${plural(d.model_evaluations, "model evaluation")}.`,
  );
  say(
    "#reading",
    "How to read it: \u03c6 is a Shapley attribution. For each row, the attributions of all ",
    "groups add up to the prediction minus the base value",
    report.logit ? `, in ${unit(report)}; ${signed(Math.LN2, 2)} doubles the odds.` : ".",
  );
  say(
    "#version",
    `Written by Windlass ${d.windlass}. This file needs nothing else: no network, no server.`,
  );
}
