// The charts of drift: a heat map of groups and periods, and a small line chart a group.
import * as Plot from "@observablehq/plot";
import type { Drift, Estimate, GroupDrift, OutputDrift } from "./compare-data";
import { decimalsFor, fixed, plain } from "./format";
import { fit, narrow, tagged, textWidth, tipStyle } from "./rows";

export const mostHeatGroups = 40;

export type Measure = "mean" | "importance";

export const movedOf = (group: GroupDrift, t: number): number | null => {
  const period = group.periods[t];
  if (period === null || period.mean_change === null || period.distance === null) return null;
  return Math.max(Math.abs(period.mean_change.change), period.distance.wasserstein);
};

// Periods that an axis `room` pixels wide can name without their labels touching.
function named(periods: string[], room: number, widest: number): number[] {
  const step = Math.max(1, Math.ceil((widest + 10) / (room / Math.max(1, periods.length))));
  return periods.map((_, t) => t).filter((t) => t % step === 0);
}

export function heatMap(drift: Drift, output: OutputDrift, width: number): SVGSVGElement {
  const groups = output.groups.slice(0, mostHeatGroups);
  const periods = drift.periods.map((period) => period.period);
  const widest = Math.ceil(Math.max(40, ...groups.map((group) => textWidth(group.group)))) + 16;
  const left = Math.min(widest, Math.round(width * (narrow(width) ? 0.4 : 0.3)));
  const right = 8;
  const side = Math.min(160, (width - left - right) / periods.length);
  const pitch = 26;
  const room = side * periods.length;
  const longest = Math.max(...periods.map((name) => textWidth(name)));
  const labelRoom = Math.max(side - 8, Math.min(longest, 96));
  const cells = groups.flatMap((group, g) =>
    periods.map((name, t) => ({ group, g, t, name, moved: movedOf(group, t) })),
  );
  type Cell = (typeof cells)[number];
  const largest = Math.max(0, ...cells.map((cell) => cell.moved ?? 0));
  const decimals = decimalsFor(largest);
  const reference = periods.indexOf(drift.reference);
  const title = (d: Cell) => {
    const period = d.group.periods[d.t];
    const start = `${d.group.group}, ${d.name}\n`;
    if (period === null) return `${start}${drift.periods[d.t].rows === 0 ? "all rows failed" : "not in this run"}`;
    if (d.moved === null) return `${start}${d.t === reference ? "the reference" : "not compared"}`;
    return (
      `${start}moved by ${fixed(d.moved, decimals)}${period.alarm ? " (alarm)" : ""}\n` +
      `KS ${fixed(period.distance!.ks, 3)}, mean ${fixed(period.mean.mean, decimals)}`
    );
  };
  const lines = groups.map((group, g) => ({ g, label: group.group, short: fit(group.group, left - 16) }));
  const ticks = named(periods, room, Math.min(longest, labelRoom)).map((t) => ({
    t,
    label: periods[t],
    short: fit(periods[t], labelRoom),
  }));
  const height = pitch * groups.length + 34;
  const alarms = cells.filter((cell) => cell.group.periods[cell.t]?.alarm === true);
  return Plot.plot({
    width: left + room + right,
    height,
    marginLeft: left,
    marginRight: right,
    marginTop: 6,
    marginBottom: 28,
    x: { type: "linear", domain: [0, periods.length], axis: null },
    y: { type: "linear", domain: [groups.length, 0], axis: null },
    ariaLabel: "Heat map of how far each group moved in each period",
    style: { fontSize: "13px" },
    marks: [
      Plot.text(lines, {
        y: (d) => d.g + 0.5,
        text: "short",
        frameAnchor: "left",
        textAnchor: "end",
        dx: -10,
        fill: "var(--ink)",
        render: tagged(
          lines,
          () => ({}),
          (d) => (d.short === d.label ? "" : d.label),
        ),
      }),
      Plot.text(ticks, {
        x: (d) => d.t + 0.5,
        text: "short",
        frameAnchor: "bottom",
        dy: 20,
        fill: "var(--soft)",
        render: tagged(
          ticks,
          () => ({}),
          (d) => (d.short === d.label ? "" : d.label),
        ),
      }),
      Plot.rect(cells, {
        x1: "t",
        x2: (d: Cell) => d.t + 1,
        y1: "g",
        y2: (d: Cell) => d.g + 1,
        inset: side > 12 ? 1.5 : 0.5,
        rx: 3,
        fill: "var(--accent)",
        fillOpacity: (d: Cell) =>
          d.moved === null || largest === 0 ? 0 : 0.04 + (0.96 * d.moved) / largest,
        stroke: "var(--line)",
        className: "cells",
        render: tagged(cells, (d) => ({
          "data-group": d.group.group,
          "data-period": d.name,
          "data-moved": String(d.moved),
        })),
      }),
      Plot.rect(alarms, {
        x1: "t",
        x2: (d: Cell) => d.t + 1,
        y1: "g",
        y2: (d: Cell) => d.g + 1,
        inset: side > 12 ? 2.5 : 1,
        rx: 3,
        fill: "none",
        stroke: "var(--positive)",
        strokeWidth: 2,
        className: "alarms",
        pointerEvents: "none",
      }),
      Plot.tip(
        cells,
        Plot.pointer({
          ...tipStyle,
          x: (d: Cell) => d.t + 0.5,
          y: (d: Cell) => d.g + 0.5,
          title,
        }),
      ),
    ],
  }) as unknown as SVGSVGElement;
}

interface Point {
  t: number;
  name: string;
  of: Estimate;
  alarm: boolean;
}

function pointsOf(drift: Drift, group: GroupDrift, measure: Measure): Point[] {
  return group.periods.flatMap((period, t) =>
    period === null
      ? []
      : [{ t, name: drift.periods[t].period, of: period[measure], alarm: period.alarm }],
  );
}

// What the lines and bands of these groups span.
export function rangeOf(drift: Drift, groups: GroupDrift[], measure: Measure): [number, number] {
  const values = groups
    .flatMap((group) => pointsOf(drift, group, measure))
    .flatMap((d) => [d.of.mean, d.of.low ?? d.of.mean, d.of.high ?? d.of.mean]);
  const low = Math.min(measure === "importance" ? 0 : Infinity, ...values);
  const high = Math.max(...values);
  if (!(low < high)) return [low - 1, low + 1];
  const pad = (high - low) * 0.06;
  return [measure === "importance" ? low : low - pad, high + pad];
}

export function lineChart(
  drift: Drift,
  group: GroupDrift,
  measure: Measure,
  domain: [number, number],
  width: number,
): SVGSVGElement {
  const points = pointsOf(drift, group, measure);
  const bands = points.filter((d) => d.of.low !== null && d.of.high !== null);
  const periods = drift.periods.map((period) => period.period);
  const last = periods.length - 1;
  const left = 50;
  const ends = (last === 0 ? [0] : [0, last]).map((t) => ({ t, short: fit(periods[t], (width - left) / 2 - 12) }));
  const alarms = points.filter((d) => d.alarm);
  const decimals = decimalsFor(Math.max(...domain.map(Math.abs)));
  const reference = periods.indexOf(drift.reference);
  const level = points.find((d) => d.t === reference);
  return Plot.plot({
    width,
    height: 150,
    marginLeft: left,
    marginRight: 10,
    marginTop: 8,
    marginBottom: 26,
    x: { type: "linear", domain: [-0.15, last + 0.15], axis: null },
    y: { domain },
    ariaLabel: `Line chart of ${group.group} over the periods`,
    style: { fontSize: "12px" },
    marks: [
      Plot.gridY({ stroke: "var(--line)", strokeOpacity: 1, ticks: 4 }),
      Plot.axisY({
        anchor: "left",
        tickSize: 0,
        ticks: 4,
        tickFormat: (value: number) => plain(value),
        label: null,
        fill: "var(--soft)",
        tickPadding: 6,
      }),
      ...ends.map((end) =>
        Plot.text([end], {
          x: "t",
          text: "short",
          frameAnchor: "bottom",
          textAnchor: end.t === 0 ? "start" : "end",
          dy: 18,
          fill: "var(--soft)",
        }),
      ),
      ...(level === undefined
        ? []
        : [Plot.ruleY([level.of.mean], { stroke: "var(--rule)", strokeDasharray: "3,3" })]),
      Plot.areaY(bands, {
        x: "t",
        y1: (d: Point) => d.of.low!,
        y2: (d: Point) => d.of.high!,
        fill: "var(--accent)",
        fillOpacity: 0.18,
        className: "band",
      }),
      Plot.line(points, {
        x: "t",
        y: (d: Point) => d.of.mean,
        stroke: "var(--accent)",
        strokeWidth: 2,
        className: "line",
      }),
      Plot.dot(points, {
        x: "t",
        y: (d: Point) => d.of.mean,
        r: points.length > 40 ? 1.2 : 2.6,
        fill: "var(--accent)",
        className: "points",
        render: tagged(points, (d) => ({
          "data-period": d.name,
          "data-value": String(d.of.mean),
        })),
      }),
      Plot.dot(alarms, {
        x: "t",
        y: (d: Point) => d.of.mean,
        r: points.length > 40 ? 3 : 5.5,
        fill: "none",
        stroke: "var(--positive)",
        strokeWidth: 2,
        className: "alarms",
      }),
      Plot.tip(
        points,
        Plot.pointerX({
          ...tipStyle,
          x: "t",
          y: (d: Point) => d.of.mean,
          title: (d: Point) =>
            `${d.name}\n${fixed(d.of.mean, decimals)}` +
            (d.of.low === null || d.of.high === null
              ? ""
              : ` (${fixed(d.of.low, decimals)} to ${fixed(d.of.high, decimals)})`) +
            (d.alarm ? "\nalarm" : ""),
        }),
      ),
    ],
  }) as unknown as SVGSVGElement;
}
