// The rows of the page as a table, of which only the lines in sight are elements, however many
// there are: a spacer as tall as all of them makes the scroll bar.
import type { Report } from "./data";
import { h } from "./dom";
import { count, decimalsFor, fixed, percent, signed, valueText } from "./format";

const lineHeight = 30; // pixels; report.css has it too
const spare = 6; // lines beyond what is in sight, above and below

export type Sorting = "number" | "low" | "high" | "far";

export interface RowsTable {
  element: HTMLElement;
  show(rows: readonly number[], output: number, sorting: Sorting, chosen: number): void;
  mark(chosen: number): void;
}

// `onChoose` gets the row of the page that a click or Enter chose.
export function rowsTable(report: Report, onChoose: (i: number) => void): RowsTable {
  const lines = h("div", { class: "lines", role: "rowgroup" });
  const spacer = h("div", { class: "spacer", role: "presentation" }, lines);
  const head = h("div", { class: "head", role: "row" });
  const element = h(
    "div",
    { class: "rows", role: "grid", tabindex: "0", "aria-labelledby": "rows-title" },
    head,
    spacer,
  );
  let order: number[] = [];
  let groups: number[] = [];
  let output = 0;
  let chosen = -1;
  let active = 0; // the line that the keyboard is at
  let top = 0; // pixels scrolled, kept as to ask makes the browser lay out
  let first = -1;
  let last = -1;
  const cell = (role: string, text: string, name: string) =>
    h("span", { role, class: name, title: text }, text);

  function line(place: number): HTMLElement {
    const i = order[place];
    const prediction = report.prediction(i, output);
    const parts = groups.map((g) => {
      const phi = report.phi(i, output, g);
      const value = valueText(report, i, g);
      const size = signed(phi, decimalsFor(Math.abs(phi)));
      return h(
        "span",
        { role: "gridcell", class: "both", title: `${value} \u03c6 ${size}`.trim() },
        ...(value === "" ? [] : [h("span", {}, value)]),
        h("i", { class: phi < 0 ? "negative" : "positive" }, size),
      );
    });
    const element = h(
      "div",
      { role: "row", "aria-rowindex": String(place + 2), id: `line-${place}` },
      cell("rowheader", count(report.row(i)), "number"),
      cell(
        "gridcell",
        report.logit ? percent(prediction) : fixed(prediction, decimalsFor(Math.abs(prediction))),
        "number",
      ),
      ...parts,
    );
    element.style.top = `${place * lineHeight}px`;
    element.setAttribute("aria-selected", String(i === chosen));
    element.classList.toggle("active", place === active);
    element.addEventListener("click", () => {
      active = place;
      onChoose(i);
    });
    return element;
  }

  // Makes the lines in sight; those that already stand stay.
  function fill(anew: boolean): void {
    const from = Math.max(0, Math.floor(top / lineHeight) - spare);
    const to = Math.min(order.length, Math.ceil((top + 380) / lineHeight) + spare);
    if (!anew && from === first && to === last) return;
    const kept = new Map<number, Element>();
    if (!anew) {
      [...lines.children].forEach((child, k) => kept.set(first + k, child));
    }
    const wanted: Element[] = [];
    for (let place = from; place < to; ++place) wanted.push(kept.get(place) ?? line(place));
    lines.replaceChildren(...wanted);
    [first, last] = [from, to];
  }

  function scrollTo(wanted: number): void {
    if (wanted === top) return;
    element.scrollTop = wanted;
    top = wanted;
  }

  let frame = 0;
  element.addEventListener("scroll", () => {
    top = element.scrollTop;
    if (frame !== 0) return; // one filling a frame
    frame = requestAnimationFrame(() => {
      frame = 0;
      fill(false);
    });
  });
  element.addEventListener("keydown", (event) => {
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: 10,
      PageUp: -10,
      Home: -order.length,
      End: order.length,
    };
    const step = steps[event.key];
    if (event.key === "Enter" || event.key === " ") onChoose(order[active]);
    else if (step === undefined) return;
    else moveTo(active + step);
    event.preventDefault();
  });

  function moveTo(place: number): void {
    active = Math.min(order.length - 1, Math.max(0, place));
    const at = active * lineHeight;
    const room = element.clientHeight - lineHeight - head.offsetHeight;
    scrollTo(Math.min(at, Math.max(top, at - room)));
    fill(true);
    element.setAttribute("aria-activedescendant", `line-${active}`);
  }

  return {
    element,
    show(rows, newOutput, sorting, newChosen) {
      output = newOutput;
      chosen = newChosen;
      groups = report.order(output).slice(0, 4);
      const key = (i: number) => report.prediction(i, output);
      const base = report.baseValue[output];
      order = [...rows];
      const size = (i: number) => {
        const value = sorting === "far" ? Math.abs(key(i) - base) : key(i);
        return Number.isNaN(value) ? -Infinity : value;
      };
      if (sorting === "low") order.sort((a, b) => size(a) - size(b) || a - b);
      else if (sorting !== "number") order.sort((a, b) => size(b) - size(a) || a - b);
      active = Math.max(0, order.indexOf(chosen));
      spacer.style.height = `${order.length * lineHeight}px`;
      element.setAttribute("aria-rowcount", String(order.length + 1));
      head.replaceChildren(
        ...["Row", "Prediction", ...groups.map((g) => report.groups[g].name)].map((name, k) =>
          cell("columnheader", name, k < 2 ? "number" : ""),
        ),
      );
      scrollTo(0);
      fill(true);
    },
    mark(newChosen) {
      chosen = newChosen;
      for (const [k, child] of [...lines.children].entries()) {
        child.setAttribute("aria-selected", String(order[first + k] === chosen));
        child.classList.toggle("active", first + k === active);
      }
    },
  };
}
