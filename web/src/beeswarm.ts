// The beeswarm: every row's attribution, one line of dots a group.
import * as Plot from "@observablehq/plot";
import { colourBy, grey, type Colouring } from "./colour";
import { chooseRows, type Report } from "./data";
import { amount, count, decimalsFor, labelled, signed, unit } from "./format";
import { draw, extent, layoutRows, narrow, xAxis, zeroLine } from "./rows";
import { stackOffsets } from "./swarm";

const dotBudget = 7000; // more SVG circles than this make the page slow to draw

export interface Beeswarm {
  chart: SVGSVGElement;
  drawn: number; // rows
  incomplete: number; // rows left out, as they have no finite attributions
  highlight(i: number): void;
}

interface Dot {
  i: number;
  g: number;
  phi: number;
  y: number;
  colour: string;
}

export interface BeeswarmOptions {
  width: number;
  output: number;
  groups: number[];
  onChoose(i: number): void;
}

export function beeswarmChart(report: Report, options: BeeswarmOptions): Beeswarm {
  const { width, output, groups } = options;
  const limit = Math.max(60, Math.floor(dotBudget / Math.max(1, groups.length)));
  const chosen = chooseRows(report, output, limit, groups);
  const finite = chosen.filter((i) => report.complete(i, output));
  const domain = extent(
    (function* () {
      for (const i of finite) for (const g of groups) yield report.phi(i, output, g);
    })(), 0, 0.02);
  const rows = layoutRows({
    width, labels: groups.map((g) => report.groups[g].name), pitch: 36, half: 15, domain,
  });
  const radius = narrow(width) ? 1.8 : 2.3;
  const dots: Dot[] = [];
  groups.forEach((g, k) => {
    const numeric = report.groups[g].kind === "numeric";
    const colouring: Colouring = numeric ? colourBy(report, g) : grey();
    const offsets = stackOffsets(
      finite.map((i) => rows.x(report.phi(i, output, g))), rows.half, radius * 1.5);
    finite.forEach((i, place) => {
      dots.push({
        i, g, phi: report.phi(i, output, g), y: rows.middle(k) + offsets[place],
        colour: colouring.of(i),
      });
    });
  });
  const decimals = decimalsFor(Math.max(...domain.map(Math.abs)));
  const chart = draw(rows, "Beeswarm of the attributions of each row, one line a group", "img", [
    ...xAxis(rows, `\u03c6: moves the prediction by${report.logit ? ` (${unit(report)})` : ""}`),
    Plot.ruleY(groups, {
      y: (_: number, k: number) => rows.middle(k), stroke: "var(--line)", strokeDasharray: "2,4",
    }),
    zeroLine(),
    Plot.dot(dots, {
      x: "phi", y: "y", r: radius, fill: "colour", fillOpacity: 0.8, className: "swarm",
    }),
    Plot.tip(dots, Plot.pointer({
      x: "phi",
      y: "y",
      title: (d: Dot) =>
        `${labelled(report, d.i, d.g)}\n\u03c6 ${amount(report, signed(d.phi, decimals))}\n` +
        `Row ${count(report.row(d.i))}: click to see it step by step`,
    })),
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
      const away = Math.hypot(rows.x(dot.phi) - px, dot.y - py);
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
    drawn: finite.length,
    incomplete: chosen.length - finite.length,
    highlight(i) {
      rings.replaceChildren();
      if (i < 0 || !report.complete(i, output)) return;
      groups.forEach((g, k) => {
        const x = rows.x(report.phi(i, output, g));
        if (x < rows.left - 1 || x > rows.width) return; // a row not drawn may lie outside
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
