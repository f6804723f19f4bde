// Dots that share a horizontal position are stacked beside each other, so that a line of dots
// becomes as thick as there are rows.
import { scramble } from "./data";

let known = new Float64Array(0);

function keysUpTo(count: number): Float64Array {
  if (known.length < count) known = Float64Array.from({ length: count }, (_, k) => scramble(k));
  return known;
}

// Vertical offsets in pixels of dots at `x` (pixels), within +-half. Dots in the same step of two
// pixels alternate above and below the middle; the steps shrink where a stack would leave its line.
export function stackOffsets(x: readonly number[], half: number, spacing: number): number[] {
  const keys = keysUpTo(x.length);
  const stacks = new Map<number, number[]>();
  x.forEach((position, k) => {
    const key = Math.round(position / 2);
    const stack = stacks.get(key);
    if (stack) stack.push(k);
    else stacks.set(key, [k]);
  });
  let tallest = 1;
  for (const stack of stacks.values()) tallest = Math.max(tallest, stack.length);
  const step = Math.min(spacing, half / Math.max(1, Math.ceil((tallest - 1) / 2)));
  const offsets = new Array<number>(x.length).fill(0);
  for (const stack of stacks.values()) {
    if (stack.length > 1) stack.sort((a, b) => keys[a] - keys[b] || a - b);
    stack.forEach((k, place) => {
      offsets[k] = (place % 2 === 1 ? 1 : -1) * Math.ceil(place / 2) * step;
    });
  }
  return offsets;
}
