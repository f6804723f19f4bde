// What the pages of comparisons share: words, and what happens when the window changes.
import type { Change } from "./compare-data";
import { find, h, options, say } from "./dom";
import { fixed, plural, signed } from "./format";

export const unitOf = (link: string | null): string => (link === "logit" ? "log-odds" : "");
export const withUnit = (text: string, link: string | null): string =>
  link === "logit" ? `${text} log-odds` : text;

// Half the width of an interval; null where there is none.
export function halfOf(change: Change): number | null {
  return change.high === null || change.low === null ? null : (change.high - change.low) / 2;
}

// "+0.12 ± 0.03".
export function changeText(change: Change, decimals: number): string {
  const half = halfOf(change);
  return `${signed(change.change, decimals)} \u00b1 ${half === null ? "\u221e" : fixed(half, decimals)}`;
}

// The last part of a path, which is what tells files of one kind apart.
export const lastPart = (place: string | null): string =>
  (place ?? "").replace(/\/+$/, "").split("/").pop() ?? "";

export function fact(name: string, value: string, note = ""): HTMLElement {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value, h("small", {}, note)));
}

export function mark(kind: string, label: string): HTMLElement {
  return h("span", { class: "swatch" }, h("i", { class: kind, "aria-hidden": "true" }), label);
}

export function failedText(failed: number): string {
  if (failed === 0) return "";
  const verb = failed === 1 ? "has" : "have";
  return ` ${plural(failed, "row")} ${verb} no finite attributions and ${failed === 1 ? "is" : "are"} left out.`;
}

// Runs without a summary.json, whose attributions may be in another unit.
export function unknownLinksText(places: string[]): string {
  if (places.length === 0) return "";
  const more = places.length > 1 ? ` and ${plural(places.length - 1, "more run")}` : "";
  return (
    ` The link of ${places[0]}${more} is not known, as no summary.json names it: it is taken to be ` +
    "the same."
  );
}

// Runs whose attributions are not the same values, though of one unit.
export function otherValuesText(sentences: string[] = []): string {
  if (sentences.length === 0) return "";
  const more = sentences.length > 1 ? ` (and ${sentences.length - 1} more)` : "";
  return ` Careful: ${sentences[0]}${more}. These differ for the same model and rows already.`;
}

export function fillFooter(spec: Record<string, unknown>, versions: Record<string, unknown>): void {
  const given = Object.entries(spec)
    .filter(([key, value]) => value !== null && key !== "kind" && key !== "version")
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" ") : String(value)}`);
  say("#spec", `The job: ${given.join(", ")}.`);
  const all = Object.entries(versions).map(([key, value]) => `${key} ${String(value)}`);
  say("#version", `Versions: ${all.join(", ")}. This file needs nothing else: no network, no server.`);
}

// The choice of an output, shown where there is one.
export function chooseOutput(names: string[], onChoose: (output: number) => void): void {
  const select = find<HTMLSelectElement>("#output");
  options(
    select,
    names.map((name, k) => [String(k), name]),
    "0",
  );
  find("#choose-output").hidden = names.length < 2;
  select.addEventListener("change", () => onChoose(Number(select.value)));
}

export function whenWidthChanges(draw: () => void): void {
  let width = innerWidth;
  let timer = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return; // a phone's toolbar changes only the height
    width = innerWidth;
    clearTimeout(timer);
    timer = setTimeout(draw, 80);
  });
}

export const widthOf = (selector: string): number =>
  Math.max(240, Math.floor(find(selector).clientWidth));

export function refuse(noun: string, error: unknown): void {
  say("h1", `This ${noun} cannot be drawn.`);
  say("#lede", error instanceof Error ? error.message : String(error));
}

// Names of columns, whether they hold numbers, and whether they go where there is little room.
export function head(names: [string, boolean, boolean?][]): HTMLElement {
  const cell = ([name, number, wide]: [string, boolean, boolean?]) => {
    const classes = [number ? "number" : "", wide === true ? "wide" : ""].filter(Boolean).join(" ");
    return h("th", classes === "" ? { scope: "col" } : { scope: "col", class: classes }, name);
  };
  return h("thead", {}, h("tr", {}, ...names.map(cell)));
}
