/**
 * How often the gates of generation accuse a model that is good, and how often they see one that is not: answers are drawn
 * with a known share that is right (or a known difference of likelihood), judged by the very measures and gates of a run,
 * with their default thresholds. Also how often intervals hold the truth, with prompts that stand alone and prompts in kinds.
 *
 *   npx tsx bench/generation-gates.ts [draws = 4000]
 */
import type { Score } from '../activities/contract/measures.ts';
import { adherenceScore, compareAdherence } from '../activities/generation/metrics/adherence.ts';
import { degenerationScore } from '../activities/generation/metrics/degeneration.ts';
import { lostNats, perplexityRatio, type Likelihood } from '../activities/generation/metrics/likelihood.ts';
import { adherenceBySlice } from '../activities/generation/prompt-slices.ts';
import { SHIFTED_PROMPTS } from '../activities/generation/shifted-drop.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { shareScore } from '../activities/validation/scores.ts';
import { shareDifference } from '../activities/validation/shares.ts';
import { GenerationGatesSchema } from '../pipelines/definition/generation-gates.ts';
import { GENERATION_GATE_TABLE, type GenerationGateName } from '../pipelines/gates/generation.ts';

const DRAWS = Number(process.argv[2] ?? 4000);
/** A bootstrap costs 2,000 resamples. */
const SLOW_DRAWS = Math.ceil(DRAWS / 10);
const limits = GenerationGatesSchema.parse({});
const random = seededRandom(2026);
const drawn = (share: number): boolean => random.uniform() < share;
const times = <Value>(count: number, draw: (index: number) => Value): Value[] =>
  Array.from({ length: count }, (_, index) => draw(index));

/** Standard normal (Box and Muller 1958). */
function normal(): number {
  return Math.sqrt(-2 * Math.log(1 - random.uniform())) * Math.cos(2 * Math.PI * random.uniform());
}

/** Share of draws whose gate fails or warns; of what cannot be measured on so few prompts it does neither. */
async function stopped(
  name: GenerationGateName,
  draws: number,
  measure: () => Score | Promise<Score>,
): Promise<number> {
  let count = 0;
  for (let draw = 0; draw < draws; draw++) {
    const { verdict } = judgeGate(name, GENERATION_GATE_TABLE[name], await measure(), limits[name]);
    if (verdict === 'fail' || verdict === 'warn') count += 1;
  }
  return count / draws;
}

/** Share of draws whose interval holds the truth. */
async function held(draws: number, truth: number, measure: () => Score | Promise<Score>): Promise<number> {
  let count = 0;
  for (let draw = 0; draw < draws; draw++) {
    const { interval } = await measure();
    if (interval !== null && interval.low <= truth && truth <= interval.high) count += 1;
  }
  return count / draws;
}

function tell(what: string, found: readonly number[]): void {
  console.log(`${what.padEnd(72)}${found.map((share) => `${(share * 100).toFixed(1)} %`.padStart(9)).join('')}`);
}

async function each<Value>(values: readonly Value[], run: (value: Value) => Promise<number>): Promise<number[]> {
  const found: number[] = [];
  for (const value of values) found.push(await run(value));
  return found;
}

/** Answers of which each adheres with this probability, by itself. */
const adhering = (rows: number, share: number) => times(rows, () => ({ adherent: drawn(share) }));

/** Prompts of one kind, five at a time: with probability `together` all of a kind share one fate. */
const inKinds = (rows: number, share: number, together: number) =>
  times(Math.ceil(rows / 5), () => {
    const fate = drawn(share);
    return drawn(together) ? times(5, () => ({ adherent: fate })) : adhering(5, share);
  })
    .flat()
    .slice(0, rows);

/** The same prompts, asked in two ways that agree as often as chance has it. */
const gained = (rows: number, before: number, after: number): Score =>
  compareAdherence(adhering(rows, after), adhering(rows, before)).difference;

/** Other prompts, as many, of which 200 at most are asked. */
const shifted = (rows: number, test: number, elsewhere: number): Score => {
  const count = (share: number, most: number) => ({
    hits: adhering(most, share).filter(({ adherent }) => adherent).length,
    rows: most,
  });
  return shareDifference(count(test, rows), count(elsewhere, Math.min(rows, SHIFTED_PROMPTS)));
};

/** Of its own, so that what is drawn here is the same whatever stands above it. */
const besides = seededRandom(2026, 1);
/** Prompts that only the new model, and that only production answers within the guidelines, with these probabilities. */
function beside(rows: number, won: number, lost: number): Score {
  const pairs = times(rows, () => {
    const lot = besides.uniform();
    return lot < won ? [true, false] : lot < won + lost ? [false, true] : [true, true];
  });
  const answers = (at: 0 | 1) => pairs.map((pair) => ({ adherent: pair[at]! }));
  return compareAdherence(answers(0), answers(1)).difference;
}

const REGIONS = ['north', 'south', 'east', 'west'];
const CHANNELS = ['letter', 'call'];
/**
 * Prompts of 1 to 300 characters after none to five earlier questions; the longest third adheres less often by so much, or with declared
 * groups (one of four regions and of two channels, by lot) those of the north.
 */
function sliced(rows: number, share: number, lost: number, grouped = false): Score {
  const answers = times(rows, (at) => ({
    row: {
      id: `${at}`,
      prompt: 'x'.repeat(1 + random.below(300)),
      history: times(random.below(6), () => ({ role: 'user' as const, content: 'x' })),
      ...(grouped ? { groups: { region: REGIONS[random.below(4)]!, channel: CHANNELS[random.below(2)]! } } : {}),
    },
    text: '',
  }));
  const judged = answers.map(({ row }) => ({
    adherent: drawn((grouped ? row.groups?.region === 'north' : row.prompt.length > 200) ? share - lost : share),
    broken: [],
  }));
  return adherenceBySlice(answers, judged).score;
}

const degenerate = (rows: number, share: number): Score =>
  degenerationScore(
    times(rows, () => ({ text: drawn(share) ? '' : 'Thank you, your parcel is on its way.', finish: 'end' as const })),
  ).score;

/** Texts of 20 to 300 tokens whose likelihood differs from the base's by `nats` a token, from text to text by `spread`. */
function likelihoods(texts: number, nats: number, spread: number): readonly [Likelihood[], Likelihood[]] {
  const base = times(texts, () => {
    const tokens = 20 + random.below(281);
    return { nats: 2 * tokens, tokens };
  });
  const tuned = base.map((one) => ({ nats: one.nats + (nats + spread * normal()) * one.tokens, tokens: one.tokens }));
  return [tuned, base];
}
const lost = (texts: number, nats: number, spread: number) =>
  lostNats(...likelihoods(texts, nats, spread), { seed: 1 });
const ratio = (texts: number, is: number, spread: number) =>
  perplexityRatio(...likelihoods(texts, Math.log(is), spread), { seed: 1 });

const ROWS = [20, 50, 100, 200, 400];
/** Below 60 prompts no slice is judged, below 90 they are halves. */
const SLICED_ROWS = [60, 75, 89, 100, 200, 400];
console.log(`${DRAWS} draws (${SLOW_DRAWS} where a bootstrap is drawn); columns: ${ROWS.join(', ')} test prompts\n`);
console.log('stopped by the gate, in per cent of the draws');
for (const share of [0.8, 0.85, 0.9, 0.95, 0.98]) {
  tell(
    `adherence: ${share} keep the guidelines${share === 0.8 ? ' (the edge: not to pass)' : ''}`,
    await each(ROWS, (rows) => stopped('adherence', DRAWS, () => adherenceScore(adhering(rows, share)))),
  );
}
for (const [before, after] of [
  [0.5, 0.5],
  [0.5, 0.6],
  [0.5, 0.7],
  [0.5, 0.9],
] as const) {
  tell(
    `gainOverUnprompted: ${before} before, ${after} with the prompt`,
    await each(ROWS, (rows) => stopped('gainOverUnprompted', DRAWS, () => gained(rows, before, after))),
  );
}
for (const [won, lost] of [
  [0, 0],
  [0.02, 0.02],
  [0.05, 0.05],
  [0.1, 0.1],
  [0.25, 0.25],
  [0.5, 0.5],
  [0.02, 0.07],
  [0.02, 0.12],
  [0.1, 0.2],
  [0.02, 0.22],
  [0.1, 0.3],
  [0.02, 0.32],
  [0.1, 0.4],
  [0.02, 0.52],
] as const) {
  tell(
    `gainOverProduction: only it keeps them in ${won}, only production in ${lost}${won === lost ? ' (as good)' : ''}`,
    await each(ROWS, (rows) => stopped('gainOverProduction', DRAWS, () => beside(rows, won, lost))),
  );
}
for (const elsewhere of [0.9, 0.8, 0.7, 0.6, 0.5]) {
  tell(
    `shiftedDrop: 0.9 of the test prompts, ${elsewhere} of as many from elsewhere${elsewhere === 0.8 ? ' (the edge: not to be accused)' : ''}`,
    await each(ROWS, (rows) => stopped('shiftedDrop', DRAWS, () => shifted(rows, 0.9, elsewhere))),
  );
}
for (const share of [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5]) {
  tell(
    `degeneration: ${share} degenerate${share === 0.1 ? ' (the edge: not to be accused)' : ''}`,
    await each(ROWS, (rows) => stopped('degeneration', DRAWS, () => degenerate(rows, share))),
  );
}
for (const nats of [0, 0.1, 0.2, 0.25, 0.5]) {
  tell(
    `forgetting: ${nats} nats a token, 0.1 from text to text`,
    await each(ROWS, (texts) => stopped('forgetting', SLOW_DRAWS, () => lost(texts, nats, 0.1))),
  );
}
for (const is of [0.9, 1, 1.05, 1.1]) {
  tell(
    `perplexityRatio: ${is}, 0.1 nats from text to text`,
    await each(ROWS, (texts) => stopped('perplexityRatio', SLOW_DRAWS, () => ratio(texts, is, 0.1))),
  );
}
for (const [name, prompts] of [
  ['unsafeAnswers', 20],
  ['injectedAnswers', 20],
  ['overRefusal', 10],
] as const) {
  const shares = [0.02, 0.05, 0.1, 0.2, 0.5];
  tell(
    `${name}: ${shares.join(', ')} of answers, ${prompts} prompts`,
    await each(shares, (share) =>
      stopped(name, DRAWS, () => shareScore(times(prompts, () => drawn(share)).filter(Boolean).length, prompts)),
    ),
  );
}

console.log(`\ncolumns: ${SLICED_ROWS.join(', ')} test prompts`);
for (const lost of [0, 0.1, 0.2, 0.3, 0.5]) {
  tell(
    `sliceGap: 0.9 keep the guidelines, of the longest third ${(0.9 - lost).toFixed(1)}`,
    await each(SLICED_ROWS, (rows) => stopped('sliceGap', DRAWS, () => sliced(rows, 0.9, lost))),
  );
}
for (const share of [0.5, 0.8]) {
  tell(
    `sliceGap: ${share} keep the guidelines, wherever`,
    await each(SLICED_ROWS, (rows) => stopped('sliceGap', DRAWS, () => sliced(rows, share, 0))),
  );
}

for (const lost of [0, 0.1, 0.3, 0.5]) {
  tell(
    `sliceGap: 0.9 keep the guidelines, of one declared group of four ${(0.9 - lost).toFixed(1)}`,
    await each(SLICED_ROWS, (rows) => stopped('sliceGap', DRAWS, () => sliced(rows, 0.9, lost, true))),
  );
}

console.log('\nintervals of 95 % that hold the truth');
for (const share of [0.5, 0.8, 0.9, 0.95, 0.99]) {
  tell(
    `adherence ${share}, prompts that stand alone`,
    await each(ROWS, (rows) => held(DRAWS, share, () => adherenceScore(adhering(rows, share)))),
  );
}
for (const together of [0.1, 0.3, 0.6]) {
  tell(
    `adherence 0.9, five prompts of a kind, of which ${together} share one fate`,
    await each(ROWS, (rows) => held(DRAWS, 0.9, () => adherenceScore(inKinds(rows, 0.9, together)))),
  );
}
for (const [before, after] of [
  [0.5, 0.5],
  [0.5, 0.9],
  [0.9, 0.95],
] as const) {
  tell(
    `gain from ${before} to ${after}`,
    await each(ROWS, (rows) => held(DRAWS, after - before, () => gained(rows, before, after))),
  );
}
for (const spread of [0.1, 0.4]) {
  tell(
    `forgetting 0.2 nats, ${spread} from text to text`,
    await each(ROWS, (texts) => held(SLOW_DRAWS, 0.2, () => lost(texts, 0.2, spread))),
  );
}
