/**
 * L-BFGS (Nocedal & Wright, Numerical Optimization, 2nd ed. 2006, algorithms 7.4 and 7.5) with backtracking to the
 * sufficient-decrease condition (eq. 3.4). For smooth convex functions; deterministic.
 */

export interface Evaluated {
  readonly value: number;
  readonly gradient: Float64Array;
}

/** Correction pairs kept: 10, the book's upper usual value; memory is 2 × 10 × parameters. */
const HISTORY = 10;

/**
 * The point where `evaluate` is least, from `start`. Ends when no gradient component exceeds `tolerance`, when a step no
 * longer lowers the value (the arithmetic's end), or after `maxIterations`. `evaluate` gives a gradient of its own each call.
 */
export async function minimise(
  evaluate: (point: Float64Array) => Promise<Evaluated>,
  start: Float64Array,
  options: { readonly tolerance: number; readonly maxIterations: number },
): Promise<Float64Array> {
  const pairs: { moved: Float64Array; turned: Float64Array; scale: number }[] = [];
  let point = start;
  let here = await evaluate(point);
  for (let iteration = 0; iteration < options.maxIterations; iteration++) {
    if (here.gradient.every((slope) => Math.abs(slope) <= options.tolerance)) break;
    const direction = descent(here.gradient, pairs);
    const slope = dot(here.gradient, direction);
    const first = pairs.length === 0 ? Math.min(1, 1 / Math.sqrt(dot(here.gradient, here.gradient))) : 1;
    const found = await backtrack(evaluate, point, here, direction, slope, first);
    if (found === undefined) break;
    const moved = difference(found.point, point);
    const turned = difference(found.at.gradient, here.gradient);
    const curvature = dot(moved, turned);
    // A pair without positive curvature would make the next direction point uphill.
    if (curvature > 1e-12 * dot(turned, turned)) {
      pairs.push({ moved, turned, scale: 1 / curvature });
      if (pairs.length > HISTORY) pairs.shift();
    }
    point = found.point;
    here = found.at;
  }
  return point;
}

/** Two-loop recursion: −H·gradient. */
function descent(
  gradient: Float64Array,
  pairs: readonly { moved: Float64Array; turned: Float64Array; scale: number }[],
): Float64Array {
  const direction = gradient.map((slope) => -slope);
  const factors: number[] = [];
  for (const pair of pairs.toReversed()) {
    const factor = pair.scale * dot(pair.moved, direction);
    addScaled(direction, pair.turned, -factor);
    factors.push(factor);
  }
  const last = pairs.at(-1);
  if (last !== undefined) {
    const size = 1 / (last.scale * dot(last.turned, last.turned));
    direction.forEach((value, at) => (direction[at] = value * size));
  }
  for (const pair of pairs) {
    addScaled(direction, pair.moved, (factors.pop() ?? 0) - pair.scale * dot(pair.turned, direction));
  }
  return direction;
}

async function backtrack(
  evaluate: (point: Float64Array) => Promise<Evaluated>,
  from: Float64Array,
  here: Evaluated,
  direction: Float64Array,
  slope: number,
  first: number,
): Promise<{ point: Float64Array; at: Evaluated } | undefined> {
  for (let length = first; length > 1e-10; length /= 2) {
    const point = Float64Array.from(from);
    addScaled(point, direction, length);
    const at = await evaluate(point);
    if (at.value <= here.value + 1e-4 * length * slope) return { point, at };
  }
  return undefined;
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < left.length; at++) sum += left[at]! * right[at]!;
  return sum;
}

function addScaled(target: Float64Array, values: Float64Array, factor: number): void {
  for (let at = 0; at < target.length; at++) target[at]! += factor * values[at]!;
}

function difference(left: Float64Array, right: Float64Array): Float64Array {
  return left.map((value, at) => value - right[at]!);
}
