// Numbers and counts as a reader wants to see them.
import type { Report } from "./data";

const minus = "\u2212";
const integer = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const count = (value: number): string => integer.format(value);

export const plural = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`;

// How many decimals show `largest` with three digits; the smaller numbers beside it get as many.
export function decimalsFor(largest: number): number {
  if (!(largest > 0) || !Number.isFinite(largest)) return 2;
  return Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(largest))));
}

export function fixed(value: number, decimals: number): string {
  if (Number.isNaN(value)) return "not a number";
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : `${minus}\u221e`;
  const size = Math.abs(value);
  let text: string;
  if (size >= 1e7) text = size.toExponential(2).replace("e+", "e");
  else if (size > 0 && size < 0.5 * 10 ** -decimals) text = String(Number(size.toPrecision(1)));
  else {
    text = size.toFixed(decimals);
    if (size >= 1e4)
      text = new Intl.NumberFormat("en-US", {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals,
      }).format(size);
  }
  return (value < 0 && Number(text.replaceAll(",", "")) !== 0 ? minus : "") + text;
}

export const signed = (value: number, decimals: number): string =>
  (value > 0 ? "+" : "") + fixed(value, decimals);

// " \u00b1 0.03" where attributions were sampled, else nothing; two digits of the width are enough.
export function interval(halfWidth: number, least = 8): string {
  if (Number.isNaN(halfWidth)) return "";
  if (halfWidth === 0) return " \u00b1 0";
  return ` \u00b1 ${fixed(halfWidth, Math.min(least, Math.max(0, decimalsFor(halfWidth) - 1)))}`;
}

export function plusMinus(report: Report, i: number, output: number, group: number): string {
  return report.hasIntervals ? interval(report.halfWidth(i, output, group)) : "";
}

// A value of a feature: as many digits as it needs, at most six.
export function plain(value: number): string {
  if (!Number.isFinite(value)) return fixed(value, 0);
  const size = Math.abs(value);
  const sign = value < 0 ? minus : "";
  if (Number.isInteger(value) && size < 1e15) {
    return sign + (size >= 1e4 ? integer.format(size) : String(size));
  }
  if (size >= 1e15 || size < 1e-4) return sign + size.toPrecision(4).replace("e+", "e");
  return sign + String(Number(size.toPrecision(6)));
}

// The value of a group in a row, or "" when it has none.
export function valueText(report: Report, i: number, g: number): string {
  const value = report.value(i, g);
  if (Number.isNaN(value)) return "";
  const group = report.groups[g];
  if (group.kind !== "category") return plain(value);
  return group.categories[value] ?? `category ${plain(value)}`;
}

export function labelled(report: Report, i: number, g: number): string {
  const value = valueText(report, i, g);
  return value === "" ? report.groups[g].name : `${report.groups[g].name} = ${value}`;
}

export const probability = (margin: number): number => 1 / (1 + Math.exp(-margin));

// A probability given by its log-odds, with more decimals where it is nearly certain.
export function percent(margin: number): string {
  const p = probability(margin);
  const rest = Math.min(p, 1 / (1 + Math.exp(margin)));
  if (Number.isNaN(p)) return "not a number";
  if (rest < 1e-6) return p < 0.5 ? "below 0.0001\u00a0%" : "above 99.9999\u00a0%";
  const decimals = rest >= 0.01 ? 1 : Math.min(4, Math.ceil(-Math.log10(rest)) - 1);
  return `${(100 * p).toFixed(decimals)}\u00a0%`;
}

export const unit = (report: Report): string => (report.logit ? "log-odds" : "");

// "0.91 log-odds", or only the number where the model's output has no unit that we know.
export const amount = (report: Report, text: string): string =>
  report.logit ? `${text} log-odds` : text;
