/** From a row of logits to a token. Pure: the draw comes in as a number. */

export interface SamplingRules {
  readonly temperature: number;
  readonly topK?: number | undefined;
  readonly topP: number;
}

/**
 * Lowers the logits of tokens that were there before (Keskar et al. 2019, arXiv:1909.05858, §4.1, as transformers does it):
 * positive ones are divided by `penalty`, negative ones multiplied.
 */
export function penalise(logits: Float32Array, seen: Iterable<number>, penalty: number): void {
  if (penalty === 1) return;
  for (const token of seen) {
    const logit = logits[token] ?? 0;
    logits[token] = logit > 0 ? logit / penalty : logit * penalty;
  }
}

/** The first of the largest; -1 where all are -Infinity or there is none. */
export function greatest(logits: Float32Array): number {
  let best = -1;
  let most = -Infinity;
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit > most) {
      most = logit;
      best = token;
    }
  }
  return best;
}

/**
 * The token of a draw in [0, 1), or -1 when no token is possible. Temperature first, then the `topK` most probable, then
 * the fewest most probable whose probabilities add up to `topP`; equals go by their number.
 */
export function pickToken(logits: Float32Array, { temperature, topK, topP }: SamplingRules, draw: number): number {
  const best = greatest(logits);
  if (temperature === 0 || best < 0) return best;
  const top = logits[best] as number;
  const weight = (token: number) => Math.exp(((logits[token] as number) - top) / temperature);
  if (topK === undefined && topP === 1) return drawFrom(possible(logits, -Infinity), weight, draw);
  return drawFrom(nucleus(logits, top, { temperature, topK, topP }, weight), weight, draw);
}

/** Tokens whose logit is at least `floor`, in order of their numbers; impossible ones never. */
function possible(logits: Float32Array, floor: number): number[] {
  const found: number[] = [];
  for (let token = 0; token < logits.length; token++) {
    const logit = logits[token] as number;
    if (logit >= floor && logit !== -Infinity) found.push(token);
  }
  return found;
}

function drawFrom(tokens: readonly number[], weight: (token: number) => number, draw: number): number {
  let total = 0;
  for (const token of tokens) total += weight(token);
  const target = draw * total;
  let sum = 0;
  for (const token of tokens) {
    sum += weight(token);
    if (sum > target) return token;
  }
  return tokens.at(-1) ?? -1;
}

function nucleus(
  logits: Float32Array,
  top: number,
  { temperature, topK = logits.length, topP }: SamplingRules,
  weight: (token: number) => number,
): number[] {
  let total = 0;
  for (let token = 0; token < logits.length; token++) total += weight(token);
  // The most probable tokens are few: only those within a margin are sorted, and the margin grows until they suffice.
  for (let margin = 4; ; margin *= 4) {
    const floor = margin > 1000 ? -Infinity : top - margin * temperature;
    const near = possible(logits, floor);
    const mass = near.reduce((sum, token) => sum + weight(token), 0);
    if (floor !== -Infinity && near.length < topK && (topP === 1 || mass < topP * total)) continue;
    near.sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
    return cut(near.slice(0, topK), topP, weight);
  }
}

function cut(sorted: readonly number[], topP: number, weight: (token: number) => number): number[] {
  if (topP === 1) return [...sorted];
  const wanted = topP * sorted.reduce((sum, token) => sum + weight(token), 0);
  const kept: number[] = [];
  let sum = 0;
  for (const token of sorted) {
    kept.push(token);
    sum += weight(token);
    if (sum >= wanted) break;
  }
  return kept;
}
