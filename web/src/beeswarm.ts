// The beeswarm: every row's attribution, one line of dots a group.
import * as Plot from "@observablehq/plot";
import { colourBy, none, uniform } from "./colour";
import { chooseRows, quantile, type Report } from "./data";
import { amount, count, decimalsFor, labelled, signed, unit } from "./format";
import { draw, extent, layoutRows, narrow, tipStyle, xAxis, zeroLine } from "./rows";
import { stackOffsets } from "./swarm";

const dotBudget = 7000; // more SVG circles than this make the page slow to draw

export interface Beeswarm {
  chart: SVGSVGElement;
  chosen: number; // rows to draw
  incomplete: number; // of these, the ones left out, as they have no finite attributions
  far: boolean; // whether a few dots lie so far out that the axis would better leave them
  beyond: number; // dots drawn at the edge of the axis instead of beyond it
  highlight(i: number): void;
}

interface Dot {
  i: number;
  g: number;
  phi: number;
  at: number; // phi, or the end of the axis that it lies beyond
  y: number;
  colour: string;
}

export interface BeeswarmOptions {
  width: number;
  output: number;
  groups: number[];
  whole: boolean; // the axis covers every dot, however far
  onChoose(i: number): void;
}

// The range that holds the middle 98 % of every group, which a few far rows cannot stretch.
function usualRange(report: Report, output: number, groups: number[]): number[] {
  const ends: number[] = [];
  for (const g of groups) {
    const phis = Float64Array.from({ length: report.shown }, (_, i) => report.phi(i, output, g))
      .filter(Number.isFinite)
      .sort();
    if (phis.length > 0) ends.push(quantile(phis, 0.01), quantile(phis, 0.99));
  }
  return ends;
}

export function beeswarmChart(report: Report, options: BeeswarmOptions): Beeswarm {
  const { width, output, groups } = options;
  const limit = Math.max(60, Math.floor(dotBudget / Math.max(1, groups.length)));
  const chosen = chooseRows(report, output, limit, groups);
  const finite = chosen.filter((i) => report.complete(i, output));
  const everything = extent(
    (function* () {
      for (const i of finite) for (const g of groups) yield report.phi(i, output, g);
    })(),
    0,
    0.02,
  );
  const usual = extent(usualRange(report, output, groups), 0, 0.12);
  const far = everything[1] - everything[0] > 1.6 * (usual[1] - usual[0]);
  const domain: [number, number] =
    far && !options.whole
      ? [Math.max(usual[0], everything[0]), Math.min(usual[1], everything[1])]
      : everything;
  const clamp = (phi: number) => Math.min(domain[1], Math.max(domain[0], phi));
  const rows = layoutRows({
    width,
    labels: groups.map((g) => report.groups[g].name),
    pitch: 36,
    half: 15,
    domain,
  });
  const radius = narrow(width) ? 1.8 : 2.3;
  const dots: Dot[] = [];
  groups.forEach((g, k) => {
    const numeric = report.groups[g].kind === "numeric";
    const colouring = numeric ? colourBy(report, g) : uniform(none);
    const offsets = stackOffsets(
      finite.map((i) => rows.x(clamp(report.phi(i, output, g)))),
      rows.half,
      radius * 1.5,
    );
    finite.forEach((i, place) => {
      const phi = report.phi(i, output, g);
      dots.push({
        i,
        g,
        phi,
        at: clamp(phi),
        y: rows.middle(k) + offsets[place],
        colour: colouring.of(i),
      });
    });
  });
  const tip = (d: Dot) => {
    const phi = signed(d.phi, decimalsFor(Math.abs(d.phi)));
    return (
      `${labelled(report, d.i, d.g)}\n\u03c6 ${amount(report, phi)}\n` +
      `Row ${count(report.row(d.i))}: click to see it step by step`
    );
  };
  const chart = draw(rows, "Beeswarm of the attributions of each row, one line a group", "img", [
    ...xAxis(rows, `\u03c6: moves the prediction by${report.logit ? ` (${unit(report)})` : ""}`),
    Plot.ruleY(groups, {
      y: (_: number, k: number) => rows.middle(k),
      stroke: "var(--line)",
      strokeDasharray: "2,4",
    }),
    zeroLine(),
    Plot.dot(
      dots.filter((d) => d.at === d.phi),
      {
        x: "at",
        y: "y",
        r: radius,
        fill: "colour",
        fillOpacity: 0.8,
        className: "swarm",
      },
    ),
    ...[-1, 1].map((side) =>
      Plot.dot(
        dots.filter((d) => (d.phi - d.at) * side > 0),
        {
          x: "at",
          y: "y",
          r: radius * 1.7,
          fill: "colour",
          symbol: "triangle",
          rotate: 90 * side,
          className: "swarm beyond",
        },
      ),
    ),
    Plot.tip(
      dots,
      Plot.pointer({
        ...tipStyle,
        x: "at",
        y: "y",
        title: tip,
      }),
    ),
  ]);
  chart.classList.add("swarm");

  // Plot's pointer would pin the tip on a click; here a click chooses the row instead.
  chart.addEventListener("pointerdown", (event) => event.stopImmediatePropagation(), true);
  chart.addEventListener("click", (event) => {
    const box = chart.getBoundingClientRect();
    const px = ((event.clientX - box.left) * rows.width) / box.width;
    const py = ((event.clientY - box.top) * rows.height) / box.height;
    let nearest: Dot | undefined;
    let distance = 24;
    for (const dot of dots) {
      const away = Math.hypot(rows.x(dot.at) - px, dot.y - py);
      if (away < distance) [nearest, distance] = [dot, away];
    }
    if (nearest !== undefined) options.onChoose(nearest.i);
  });

  const rings = document.createElementNS("http://www.w3.org/2000/svg", "g");
  rings.setAttribute("class", "rings");
  rings.setAttribute("pointer-events", "none");
  chart.append(rings);
  const place = new Map(dots.map((dot) => [dot.i * report.groups.length + dot.g, dot.y]));
  return {
    chart,
    chosen: chosen.length,
    incomplete: chosen.length - finite.length,
    far,
    beyond: dots.reduce((n, d) => (d.at === d.phi ? n : n + 1), 0),
    highlight(i) {
      rings.replaceChildren();
      if (i < 0 || !report.complete(i, output)) return;
      groups.forEach((g, k) => {
        const x = rows.x(clamp(report.phi(i, output, g)));
        const ring = document.createElementNS(rings.namespaceURI, "circle") as SVGCircleElement;
        ring.setAttribute("cx", String(x));
        ring.setAttribute("cy", String(place.get(i * report.groups.length + g) ?? rows.middle(k)));
        ring.setAttribute("r", "5");
        ring.setAttribute("fill", "none");
        ring.setAttribute("stroke", "var(--ink)");
        ring.setAttribute("stroke-width", "1.8");
        rings.append(ring);
      });
    },
  };
}
