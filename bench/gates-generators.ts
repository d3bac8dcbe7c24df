/**
 * Planted defects of generators: how often the gates `leakedPrompts`, `sliceGap` and `degeneration` catch one, and how often they
 * accuse a generator that has none.
 *
 * - leakedPrompts: what people wrote to services (SGD, CLINC150, Banking77), split anew every draw: near twins kept on one side,
 *   as `data.nearDuplicates.action: 'separate'` does; left where chance puts them; and with 3 in 100 test prompts among the
 *   training prompts, as they are, with the last letter of their first word wrong or with a slip of the pen anywhere, or one in 25
 *   among the examples of the prompt.
 * - degeneration and sliceGap: a small story teller, sampled; every draw has other prompts, all of them openings of real stories.
 *   Planted: the same answers, some of them stuck in their first words; of the longest third of the prompts half.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-generators.ts [draws = 20] [answers a draw = 60]
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Score } from '../activities/contract/measures.ts';
import { nearGroups } from '../activities/data/near-duplicates.ts';
import { normaliseText } from '../activities/data/normalise.ts';
import type { PromptRow } from '../activities/data/prompts.ts';
import type { Completion } from '../inference/generation/options.ts';
import { judgeBy } from '../activities/generation/judge.ts';
import { leakedPrompts } from '../activities/generation/leaked-prompts.ts';
import { degenerationScore } from '../activities/generation/metrics/degeneration.ts';
import { adherenceBySlice } from '../activities/generation/prompt-slices.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { Generator } from '../inference/generation/generator.ts';
import { GuidelinesSchema } from '../pipelines/guidelines/guidelines.ts';
import { GENERATION_GATE_TABLE, type GenerationGateName } from '../pipelines/gates/generation.ts';
import { holdToGoals, type Rate } from './gates/rates.ts';
import { withSlip } from './gates/slip.ts';
import { exportedOnce } from '../test/support/tiny-generator.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 20);
const ANSWERS = Number(process.argv[3] ?? 60);
const NEW_TOKENS = 60;
/** Answers of a draw whose slices are asked about: 30 rows a slice are the least. */
const SLICED = 200;
const SLICED_DRAWS = 200;
/** Prompts of each data set, and of them those that are tested in a draw. */
const MOST_PROMPTS = 3000;
const TEST_PROMPTS = 200;
const { signal } = new AbortController();
const random = seededRandom(5);

/** How often each kind of draw is accused. */
class Alarms {
  readonly #counts = new Map<string, { alarms: number; draws: number; sum: number }>();

  judge(gate: GenerationGateName, kind: string, score: Score): void {
    const row = GENERATION_GATE_TABLE[gate];
    const limit = 'max' in row ? row : { max: row.threshold, severity: row.severity };
    const { verdict } = judgeGate(gate, row, score, limit as { max: number; severity: 'warn' });
    const key = `${gate}, ${kind}`;
    const count = this.#counts.get(key) ?? { alarms: 0, draws: 0, sum: 0 };
    this.#counts.set(key, count);
    count.draws++;
    count.sum += score.value ?? 0;
    if (verdict === 'fail' || verdict === 'warn') count.alarms++;
  }

  /** Of one kind without the defect and one with it. */
  rate(gate: GenerationGateName, on: string, clean: string, planted: string, defect = planted): Rate {
    const of = (kind: string) => this.#counts.get(`${gate}, ${kind}`) ?? { alarms: 0, draws: 0 };
    const [without, having] = [of(clean), of(planted)];
    return {
      gate,
      defect,
      on,
      caught: having.alarms,
      planted: having.draws,
      accused: without.alarms,
      clean: without.draws,
    };
  }

  tell(): void {
    for (const [what, { alarms, draws, sum }] of this.#counts) {
      const { low, high } = wilsonInterval(alarms, draws);
      const between = `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %`;
      console.log(`${what}: alarm in ${alarms} of ${draws} draws (${between}), mean ${(sum / draws).toFixed(4)}`);
    }
    this.#counts.clear();
  }
}
const alarms = new Alarms();
const rates: Rate[] = [];

for (const [name, file, field] of [
  ['SGD', 'sgd-replies/train.jsonl', 'user'],
  ['CLINC150', 'clinc150/train.jsonl', 'text'],
  ['Banking77', 'banking77/train.jsonl', 'text'],
] as const) {
  await drawLeaks(name, await promptsOf(join(root, 'datasets', file), field));
}
alarms.tell();
await drawAnswers();
rates.push(
  ...['three in ten stuck', 'all stuck'].map((kind) => alarms.rate('degeneration', 'a story teller', 'clean', kind)),
  alarms.rate('sliceGap', 'a story teller', 'clean', 'half of the longest third stuck'),
);
alarms.tell();
holdToGoals(rates);

/** Each prompt once, as the data step keeps it; of many a sample. */
async function promptsOf(file: string, field: string): Promise<readonly string[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  const texts = lines.map((line) => (JSON.parse(line) as Readonly<Record<string, string>>)[field]!);
  const different = [...new Map(texts.map((text) => [normaliseText(text), text])).values()];
  return [...sampleIndices(different.length, MOST_PROMPTS, random)].map((place) => different[place]!);
}

async function drawLeaks(name: string, all: readonly string[]): Promise<void> {
  const texts = all.map(normaliseText);
  const groups = await nearGroups(texts, texts, 0.8, signal);
  console.log(`${name}: ${all.length} prompts, ${new Set(groups).size} groups of near twins`);
  for (let draw = 0; draw < DRAWS; draw++) {
    const places = sampleIndices(all.length, all.length, random);
    const chosen = new Set(sampleIndices(all.length, TEST_PROMPTS, random));
    const held = new Set([...chosen].map((place) => groups[place]!));
    const rows = (of: readonly number[]): PromptRow[] => of.map((place) => ({ id: `${place}`, prompt: all[place]! }));
    const test = rows([...chosen]);
    const apart = rows(places.filter((place) => !held.has(groups[place]!)));
    const anyhow = rows(places.filter((place) => !chosen.has(place)));
    const planted = test.slice(0, Math.ceil(test.length * 0.03)).map((row) => ({ ...row, id: `copy of ${row.id}` }));
    const misspelt = planted.map((row) => ({ ...row, prompt: misspell(row.prompt) }));
    const slipped = planted.map((row) => ({ ...row, prompt: withSlip(row.prompt, random) }));
    const shown = test.slice(0, TEST_PROMPTS / 25).map(({ prompt: user }) => ({ user, assistant: 'Yes.' }));
    const measure = async (train: readonly PromptRow[], examples: typeof shown = []) =>
      (await leakedPrompts(test, examples, () => streamed(train), signal)).score;
    alarms.judge('leakedPrompts', `${name}, twins kept apart`, await measure(apart));
    alarms.judge('leakedPrompts', `${name}, split by chance`, await measure(anyhow));
    alarms.judge('leakedPrompts', `${name}, 3 in 100 copied`, await measure([...apart, ...planted]));
    alarms.judge('leakedPrompts', `${name}, 3 in 100 copied, one letter wrong`, await measure([...apart, ...misspelt]));
    alarms.judge('leakedPrompts', `${name}, 3 in 100 copied, a slip in each`, await measure([...apart, ...slipped]));
    alarms.judge('leakedPrompts', `${name}, 4 in 100 shown as examples`, await measure(apart, shown));
  }
  const planted = [
    '3 in 100 copied',
    '3 in 100 copied, one letter wrong',
    '3 in 100 copied, a slip in each',
    '4 in 100 shown as examples',
  ];
  rates.push(
    ...planted.map((kind) => alarms.rate('leakedPrompts', name, `${name}, twins kept apart`, `${name}, ${kind}`, kind)),
  );
}

async function* streamed(rows: readonly PromptRow[]): AsyncGenerator<PromptRow> {
  await Promise.resolve();
  yield* rows;
}

/** The last letter of a word is another one. */
function misspell(text: string): string {
  const at = text.search(/[a-z](?![a-z])/i);
  return at === -1 ? text : `${text.slice(0, at)}${text[at] === 'x' ? 'z' : 'x'}${text.slice(at + 1)}`;
}

/** Stuck after its first six words, as likelihood decoding gets. */
function stuck({ text, ...rest }: Completion): Completion {
  const words = text.trim().split(/\s+/).slice(0, 6);
  return { ...rest, text: Array(5).fill(words.join(' ')).join(' ') };
}

async function drawAnswers(): Promise<void> {
  const stories = await readFile(join(root!, 'datasets/tinystories-sample/tinystories_sample.txt'), 'utf8');
  const openings = [...new Set(stories.match(/[A-Z][^.!?\n<>]{20,120}[.!?]/g))];
  const folder = join(await exportedOnce(join(root!, 'models/karpathy/tinyllamas-stories260K'), 'bench'), 'generator');
  const generator = await Generator.load(folder, { threads: 1 });
  const pool: { readonly prompt: string; readonly answer: Completion }[] = [];
  let degenerate = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    const answers: Completion[] = [];
    for (let at = 0; at < ANSWERS; at++) {
      const prompt = openings[(draw * ANSWERS + at) % openings.length]!;
      const seed = draw * 1000 + at;
      const answer = await generator.complete(prompt, { maxNewTokens: NEW_TOKENS, temperature: 0.8, topP: 0.95, seed });
      answers.push(answer);
      pool.push({ prompt, answer });
    }
    const kinds = {
      clean: answers,
      'three in ten stuck': answers.map((answer, at) => (at % 10 < 3 ? stuck(answer) : answer)),
      'all stuck': answers.map(stuck),
    };
    for (const [kind, of] of Object.entries(kinds)) {
      const { score } = degenerationScore(of);
      if (kind === 'clean') degenerate += Math.round((score.value ?? 0) * ANSWERS);
      alarms.judge('degeneration', kind, score);
    }
  }
  await generator.release();
  console.log(`${openings.length} openings; of ${DRAWS * ANSWERS} sampled answers ${degenerate} go in circles`);
  drawSlices(pool);
}

/** Of the answers that there are, drawn again and again. */
function drawSlices(pool: readonly { readonly prompt: string; readonly answer: Completion }[]): void {
  const checks = [
    { id: 'circles', kind: 'repetition' },
    { id: 'calm', kind: 'no-shouting' },
  ];
  const judge = judgeBy(GuidelinesSchema.parse({ version: 1, checks }));
  for (let draw = 0; draw < SLICED_DRAWS; draw++) {
    const drawn = [...sampleIndices(pool.length, Math.min(SLICED, pool.length), random)].map((place) => pool[place]!);
    const long = drawn.map(({ prompt }) => prompt.length).toSorted((a, b) => b - a)[Math.floor(drawn.length / 3)]!;
    for (const [kind, share] of [
      ['clean', 0],
      ['half of the longest third stuck', 0.5],
    ] as const) {
      const answers = drawn.map(({ prompt, answer }, at) => ({
        row: { id: `${at}`, prompt },
        ...(prompt.length >= long && random.uniform() < share ? stuck(answer) : answer),
      }));
      const judged = answers.map(({ row, text }) => judge.of(text, { prompt: row.prompt }));
      alarms.judge('sliceGap', kind, adherenceBySlice(answers, judged).score);
    }
  }
}
