// Dots by the thousand: a canvas between two SVGs, one of axes below it and one of rings above it.
// A circle each in the SVG would cost the page most of a second.
const triangleScale = 1.7; // triangles are so much larger than dots

export interface Dots {
  x: Float64Array; // pixels of the chart
  y: Float64Array;
  colour: string[]; // what CSS calls it: "var(--v3)"
  row: Uint32Array; // the row of the page
  // -1 or 1: a triangle that points to where the dot would be, beyond the axis. 0: a dot.
  beyond: Int8Array;
  count: number;
}

export function makeDots(capacity: number): Dots {
  return {
    x: new Float64Array(capacity),
    y: new Float64Array(capacity),
    colour: new Array<string>(capacity).fill(""),
    row: new Uint32Array(capacity),
    beyond: new Int8Array(capacity),
    count: 0,
  };
}

export function addDot(
  dots: Dots,
  i: number,
  x: number,
  y: number,
  colour: string,
  beyond = 0,
): void {
  const k = dots.count++;
  dots.x[k] = x;
  dots.y[k] = y;
  dots.colour[k] = colour;
  dots.row[k] = i;
  dots.beyond[k] = beyond;
}

export interface DotLayer {
  element: HTMLElement;
  circle(centres: [number, number][]): void; // rings, in pixels of the chart
}

export interface DotOptions {
  radius: number;
  opacity: number;
  tip(k: number): string; // of the k-th dot
  lines?: { x: number; y1: number; y2: number }[]; // upright, over the dots
  onChoose?(i: number): void; // a click on a dot: its row
}

let tipElement: HTMLElement | null = null;

// One tip for all charts, in the page and not in a chart, so that no chart's edge cuts it off.
function showTip(text: string, x: number, y: number, chart: HTMLElement): void {
  tipElement ??= document.body.appendChild(document.createElement("div"));
  const tip = tipElement;
  tip.className = "tip";
  tip.setAttribute("role", "tooltip");
  if (tip.textContent !== text) tip.textContent = text;
  tip.hidden = false;
  const room = document.documentElement.clientWidth;
  const box = chart.getBoundingClientRect();
  const left = Math.min(box.left + x - tip.offsetWidth / 2, room - tip.offsetWidth - 8);
  const above = box.top + y - tip.offsetHeight - 12;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${above >= 4 ? above : box.top + y + 14}px`;
}

export function hideTip(): void {
  if (tipElement !== null) tipElement.hidden = true;
}

// How much of each pixel a mark covers: a dot, or a triangle that points left (-1) or right (1).
interface Stamp {
  side: number; // pixels, both ways
  cover: Float32Array;
}

const fineness = 4; // samples a pixel, both ways

addEventListener("scroll", hideTip, { passive: true, capture: true });

function stampOf(radius: number, beyond: number): Stamp {
  const size = radius * (beyond === 0 ? 1 : triangleScale);
  const reach = Math.ceil(size);
  const side = 2 * reach;
  const cover = new Float32Array(side * side);
  const inside = (x: number, y: number) =>
    beyond === 0
      ? x * x + y * y <= size * size
      : x * beyond >= -0.7 * size && Math.abs(y) <= 0.5 * (size - x * beyond);
  const count = side * fineness;
  for (let k = 0; k < count * count; ++k) {
    const [row, column] = [Math.floor(k / count), k % count];
    const x = (column + 0.5) / fineness - reach;
    const y = (row + 0.5) / fineness - reach;
    if (!inside(x, y)) continue;
    cover[Math.floor(row / fineness) * side + Math.floor(column / fineness)] += 1 / fineness ** 2;
  }
  return { side, cover };
}

type Rgb = [number, number, number];

// What a colour of the page is now: "var(--v3)" or a plain one.
function rgbOf(colour: string, style: CSSStyleDeclaration, pen: CanvasRenderingContext2D): Rgb {
  const name = /^var\((.*)\)$/.exec(colour)?.[1];
  pen.fillStyle = name === undefined ? colour : style.getPropertyValue(name).trim();
  const digits = parseInt(String(pen.fillStyle).slice(1), 16); // it reads back as #rrggbb
  return [digits >> 16, (digits >> 8) & 255, digits & 255];
}

// Paints one mark over what is there (source over, colours not multiplied by alpha), its corner at
// left, top.
function press(
  image: ImageData,
  stamp: Stamp,
  left: number,
  top: number,
  [r, g, b]: Rgb,
  opacity: number,
): void {
  const { width, height, data } = image;
  for (let y = 0; y < stamp.side; ++y) {
    if (top + y < 0 || top + y >= height) continue;
    for (let x = 0; x < stamp.side; ++x) {
      const alpha = stamp.cover[y * stamp.side + x] * opacity;
      if (alpha === 0 || left + x < 0 || left + x >= width) continue;
      const at = 4 * ((top + y) * width + left + x);
      const below = (data[at + 3] / 255) * (1 - alpha);
      const all = alpha + below;
      data[at] = (r * alpha + data[at] * below) / all;
      data[at + 1] = (g * alpha + data[at + 1] * below) / all;
      data[at + 2] = (b * alpha + data[at + 2] * below) / all;
      data[at + 3] = 255 * all;
    }
  }
}

// Pixel by pixel: several times as quick as asking the canvas for each dot.
function paint(
  canvas: HTMLCanvasElement,
  dots: Dots,
  width: number,
  height: number,
  options: DotOptions,
): void {
  const scale = Math.min(3, Math.max(matchMedia("print").matches ? 3 : 1, devicePixelRatio));
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d")!;
  const image = pen.createImageData(canvas.width, canvas.height);
  const style = getComputedStyle(document.documentElement);
  const stamps = [-1, 0, 1].map((beyond) => stampOf(options.radius * scale, beyond));
  const colours = new Map<string, Rgb>();
  for (let k = 0; k < dots.count; ++k) {
    let colour = colours.get(dots.colour[k]);
    if (colour === undefined) {
      colour = rgbOf(dots.colour[k], style, pen);
      colours.set(dots.colour[k], colour);
    }
    const stamp = stamps[dots.beyond[k] + 1];
    const left = Math.round(dots.x[k] * scale - stamp.side / 2);
    const top = Math.round(dots.y[k] * scale - stamp.side / 2);
    press(image, stamp, left, top, colour, options.opacity);
  }
  pen.putImageData(image, 0, 0);
  canvas.dataset.dots = String(dots.count);
}

function nearest(dots: Dots, x: number, y: number, within: number): number {
  let best = -1;
  let least = within * within;
  for (let k = 0; k < dots.count; ++k) {
    const dx = dots.x[k] - x;
    const dy = dots.y[k] - y;
    const away = dx * dx + dy * dy;
    if (away < least) {
      best = k;
      least = away;
    }
  }
  return best;
}

// What repaints the canvases in the page when their colours change: dark, light, on paper.
const painters = new Map<HTMLCanvasElement, () => void>();

function repaintAll(): void {
  for (const [canvas, repaint] of painters) {
    if (canvas.isConnected) repaint();
    else painters.delete(canvas);
  }
}
for (const query of ["(prefers-color-scheme: dark)", "print"]) {
  matchMedia(query).addEventListener("change", repaintAll);
}

function upright({ x, y1, y2 }: { x: number; y1: number; y2: number }): SVGLineElement {
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [name, value] of Object.entries({ x1: x, x2: x, y1, y2 })) {
    line.setAttribute(name, String(value));
  }
  return line;
}

// Lays `dots` over `chart`, whose view box begins at 0, 0 and is `width` by `height`.
export function layDots(
  chart: SVGSVGElement,
  dots: Dots,
  width: number,
  height: number,
  options: DotOptions,
): DotLayer {
  const element = document.createElement("div");
  element.className = "layers";
  const canvas = document.createElement("canvas");
  canvas.setAttribute("aria-hidden", "true"); // the chart's own label speaks for it
  const over = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  over.setAttribute("viewBox", `0 0 ${width} ${height}`);
  over.setAttribute("class", "rings");
  over.setAttribute("aria-hidden", "true");
  element.append(chart, canvas, over);
  const repaint = () => paint(canvas, dots, width, height, options);
  repaint();
  for (const old of painters.keys()) if (!old.isConnected) painters.delete(old);
  painters.set(canvas, repaint);

  const under = document.createElementNS(over.namespaceURI, "g") as SVGGElement;
  const rings = document.createElementNS(over.namespaceURI, "g") as SVGGElement;
  over.append(...(options.lines ?? []).map(upright), rings, under);
  const ring = (x: number, y: number, r: number) => {
    const circle = document.createElementNS(over.namespaceURI, "circle") as SVGCircleElement;
    circle.setAttribute("cx", String(x));
    circle.setAttribute("cy", String(y));
    circle.setAttribute("r", String(r));
    return circle;
  };
  const at = (event: MouseEvent): [number, number] => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * width) / box.width,
      ((event.clientY - box.top) * height) / box.height,
    ];
  };
  let frame = 0;
  const leave = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    under.replaceChildren();
    hideTip();
  };
  element.addEventListener("pointermove", (event) => {
    cancelAnimationFrame(frame); // however many moves there are, a frame answers the last one
    frame = requestAnimationFrame(() => {
      const k = nearest(dots, ...at(event), 40);
      if (k < 0) return leave();
      under.replaceChildren(ring(dots.x[k], dots.y[k], options.radius + 1.5));
      showTip(options.tip(k), dots.x[k], dots.y[k], element);
    });
  });
  element.addEventListener("pointerleave", leave);
  if (options.onChoose !== undefined) {
    element.classList.add("swarm");
    element.addEventListener("click", (event) => {
      const k = nearest(dots, ...at(event), 24);
      if (k >= 0) options.onChoose!(dots.row[k]);
    });
  }
  return {
    element,
    circle(centres) {
      rings.replaceChildren(...centres.map(([x, y]) => ring(x, y, 5)));
    },
  };
}
