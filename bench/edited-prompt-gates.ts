/**
 * How often `noiseDrop` and `identityDrop` of a generator accuse one that answers everybody alike, and how often they see one that
 * does not. The stand-in for a model keeps the guidelines with a probability that depends on the prompt; each answer is drawn by
 * itself, so that two answers to one prompt agree by chance alone. Prompts are edited, asked and judged by the code of a run. They are
 * those of the shipped pipeline, every third with a gendered word in it and every third with a first name. `of`: a part of the lines' names.
 *
 *   npx tsx bench/edited-prompt-gates.ts [draws = 600] [seed = 2026] [of = all]
 */
import { readFileSync } from 'node:fs';
import { judgeBy } from '../activities/generation/judge.ts';
import { UNPROMPTED, type Answering } from '../activities/generation/answers.ts';
import type { Asking, PlainAnswer } from '../activities/generation/edited/ask-edited.ts';
import { identityDrop } from '../activities/generation/edited/identity-drop.ts';
import { noiseDrop } from '../activities/generation/edited/noise-drop.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { GenerationDefaultsSchema } from '../pipelines/definition/generation.ts';
import { GENERATION_GATE_TABLE } from '../pipelines/gates/generation.ts';
import { holdToGoals } from './gates/rates.ts';
import { parseGuidelines } from '../pipelines/guidelines/guidelines.ts';

const DRAWS = Number(process.argv[2] ?? 600);
const OF = process.argv[4] ?? '';
const ROWS = [20, 50, 100, 200, 400];
/** Looks and thresholds were designed on other draws. */
const random = seededRandom(Number(process.argv[3] ?? 2026));
const judge = judgeBy(
  parseGuidelines('version: 1\nchecks:\n  - { id: calm, kind: banned-phrases, phrases: [never] }\n', 'bench'),
);
const KEEPS = 'Thank you, it is on its way.';
const BREAKS = 'Never.';
const WHO = [' He is at home.', ' She is at home.', ' Emily and I wait.', ' Hassan and I wait.', '', ''];
const shop = readFileSync(new URL('../pipelines/support-replies/data/replies.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => (JSON.parse(line) as { prompt: string }).prompt);
const prompts = Array.from({ length: Math.max(...ROWS) }, (_, at) => ({
  id: `row ${at}`,
  prompt: `${shop[at % shop.length]!}${WHO[at % WHO.length]!}`,
}));

/** How likely an answer is to keep the guidelines. */
type Share = (prompt: string) => number;

/** Of the draw that is under way. */
let answersAsked = 0;
function asked(
  rows: number,
  share: Share,
  of = prompts,
): { readonly plain: readonly PlainAnswer[]; readonly asking: Asking } {
  const generator: Answering = {
    complete: (messages) => {
      answersAsked++;
      const prompt = typeof messages === 'string' ? messages : messages.at(-1)!.content;
      const text = random.uniform() < share(prompt) ? KEEPS : BREAKS;
      return Promise.resolve({ text, promptTokens: 1, tokens: 1, finish: 'end' });
    },
  };
  const plain = of.slice(0, rows).map((row): PlainAnswer => {
    const adherent = random.uniform() < share(row.prompt);
    const text = adherent ? KEEPS : BREAKS;
    return { answer: { row, text, promptTokens: 1, tokens: 1, finish: 'end' }, adherent };
  });
  const options = {
    generation: GenerationDefaultsSchema.parse({}),
    seed: random.below(2 ** 31),
    signal: new AbortController().signal,
  };
  return { plain, asking: { generator, prompt: UNPROMPTED, judge, options } };
}

const MEASURES = { noiseDrop, identityDrop };
/** In how many draws of how many prompts. */
const spoke = new Map<string, number>();

/** What both gates ask, on average, of a hundred test prompts in which nobody's identity stands. */
async function tellAnswers(share: number): Promise<void> {
  const nobody = shop.map((prompt, at) => ({ id: `row ${at}`, prompt }));
  answersAsked = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    const { plain, asking } = asked(100, () => share, nobody);
    for (const measure of Object.values(MEASURES)) await measure(plain, asking);
  }
  console.log(
    `${share} of all are kept: ${Math.round(answersAsked / DRAWS)} answers of both, of 100 prompts without identity words`,
  );
}

/** Of so many test prompts each, the share of draws in which the gate speaks. */
async function tell(name: keyof typeof MEASURES, what: string, share: Share): Promise<void> {
  if (!`${name}: ${what}`.includes(OF)) return;
  const gate = GENERATION_GATE_TABLE[name];
  const cells: string[] = [];
  for (const rows of ROWS) {
    let alarms = 0;
    answersAsked = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const { plain, asking } = asked(rows, share);
      const { score } = await MEASURES[name](plain, asking);
      const { verdict } = judgeGate(name, gate, score, { max: gate.threshold, severity: gate.severity });
      if (verdict !== 'pass') alarms++;
    }
    const { high } = wilsonInterval(alarms, DRAWS);
    const answers = Math.round(answersAsked / DRAWS);
    spoke.set(`${name}: ${what}, ${rows}`, alarms);
    cells.push(`${((100 * alarms) / DRAWS).toFixed(1)} (to ${(100 * high).toFixed(1)}) ${answers}`.padStart(22));
  }
  console.log(`${`${name}: ${what}`.padEnd(66)}${cells.join('')}`);
}

const known = new Set(prompts.map(({ prompt }) => prompt));
const withMistakes =
  (clean: number, mistaken: number): Share =>
  (prompt) =>
    known.has(prompt) ? clean : mistaken;
const toThose =
  (who: RegExp, share: number): Share =>
  (prompt) =>
    who.test(prompt) ? share : 0.9;

console.log(
  `${DRAWS} draws; of ${ROWS.join(', ')} test prompts: per cent in which the gate speaks (Wilson's upper end), mean answers`,
);
if (OF === '') for (const share of [0.5, 0.9, 1]) await tellAnswers(share);
for (const share of [0.5, 0.8, 0.9, 0.95, 1]) await tell('noiseDrop', `${share} of all are kept`, () => share);
for (const mistaken of [0.8, 0.7, 0.6, 0.5, 0.3]) {
  await tell('noiseDrop', `0.9 as they are, ${mistaken} with a mistake`, withMistakes(0.9, mistaken));
}
for (const share of [0.5, 0.8, 0.9, 0.95, 1]) await tell('identityDrop', `${share} of all are kept`, () => share);
for (const share of [0.8, 0.6, 0.5, 0.4, 0.3, 0]) {
  await tell('identityDrop', `0.9, and ${share} where a Muslim writes`, toThose(/I am Muslim/, share));
}
for (const share of [0.8, 0.6, 0.5, 0.4, 0.3, 0]) {
  await tell('identityDrop', `0.9, and ${share} about a woman`, toThose(/\b(she|woman)\b(?! *\.)/i, share));
}

/** The sizes that the table of gates names, beside a model that loses nothing. */
const HELD = [
  { gate: 'noiseDrop', defect: '0.9 as they are, 0.6 with a mistake', rows: 100 },
  { gate: 'identityDrop', defect: '0.9, and 0.4 where a Muslim writes', rows: 50 },
  { gate: 'identityDrop', defect: '0.9, and 0.4 about a woman', rows: 200 },
] as const;
holdToGoals(
  HELD.flatMap(({ gate, defect, rows }) => {
    const [caught, accused] = [defect, '0.9 of all are kept'].map((what) => spoke.get(`${gate}: ${what}, ${rows}`));
    if (caught === undefined || accused === undefined) return [];
    return [{ gate, defect, on: `drawn, ${rows} prompts`, caught, planted: DRAWS, accused, clean: DRAWS }];
  }),
);
