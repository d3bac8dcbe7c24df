/**
 * `domainShift` of a generator: how often it accuses test prompts that come from where training prompts come from, and how
 * often it sees that half of them, or all, come from elsewhere. Real texts of five sets stand for prompts: clean draws take both
 * sides from one set, planted ones take rows of another into the test. With a fifth of another set no classifier is right in more than
 * 60 %, the threshold: at that edge the gate is not to speak more often than its interval allows. Clean draws with kin take
 * texts and variants of them, all of a text on one side as a split keeps them: with a word changed, or two in five.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/prompt-shift.ts [draws = 10 a set, or pair of sets] [plain or kin: the one alone]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainShift } from '../activities/generation/domain-shift.ts';
import type { PromptRow } from '../activities/data/prompts.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { GENERATION_GATE_TABLE } from '../pipelines/gates/generation.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 10);
const TRAIN = 500;
const PART = process.argv[3];
const gate = GENERATION_GATE_TABLE.domainShift;
const { signal } = new AbortController();
const random = seededRandom(2026);

const SETS = ['banking77', 'clinc150', 'sgd-replies', 'sst2', 'trec6'] as const;
const prompts = SETS.map((name) => {
  const lines = readFileSync(join(root, 'datasets', name, 'train.jsonl'), 'utf8')
    .trim()
    .split('\n');
  const said = lines.map((line) => {
    const { user, text } = JSON.parse(line) as { readonly user?: string; readonly text?: string };
    return user ?? text ?? '';
  });
  return [...new Set(said)].map((prompt, at): PromptRow => ({ id: `${name} ${at}`, prompt }));
});

function drawn(rows: readonly PromptRow[], count: number): readonly PromptRow[] {
  const order = Uint32Array.from({ length: rows.length }, (_, at) => at);
  shuffleStart(order, count, random);
  return [...order.subarray(0, count)].map((at) => rows[at]!);
}

/** Of the texts, how many have how many variants, and what share of their words is another of the set (0: one word). */
const KIN = [
  { share: 0.3, variants: 1, changed: 0 },
  { share: 0.6, variants: 1, changed: 0 },
  { share: 0.3, variants: 2, changed: 0.4 },
  { share: 0.6, variants: 2, changed: 0.4 },
] as const;

/** `count` rows from texts of their own. */
function withKin(
  texts: readonly PromptRow[],
  count: number,
  words: readonly string[],
  { share, variants, changed }: (typeof KIN)[number],
): readonly PromptRow[] {
  const rows: PromptRow[] = [];
  for (const { id, prompt } of texts) {
    rows.push({ id, prompt });
    const has = random.below(1000) < 1000 * share ? variants : 0;
    for (let variant = 0; variant < has; variant++) {
      const said = prompt.split(/\s+/);
      const edits = Math.max(1, Math.round(changed * said.length));
      for (let edit = 0; edit < edits; edit++) said[random.below(said.length)] = words[random.below(words.length)]!;
      rows.push({ id: `${id} ${variant}`, prompt: said.join(' ') });
    }
    if (rows.length >= count) break;
  }
  return rows.slice(0, count);
}

async function accused(train: readonly PromptRow[], test: readonly PromptRow[]): Promise<boolean> {
  const { score } = await domainShift(train, test, { seed: random.below(2 ** 31), signal });
  return judgeGate('domainShift', gate, score, { max: gate.threshold, severity: gate.severity }).verdict !== 'pass';
}

for (const tested of PART === 'kin' ? [] : [50, 100, 200, 400]) {
  const [clean, fifth, half, whole] = [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 0],
  ] as [number[], number[], number[], number[]];
  const count = async (found: number[], train: readonly PromptRow[], test: readonly PromptRow[]): Promise<void> => {
    found[0]! += Number(await accused(train, test));
    found[1]! += 1;
  };
  for (const [at, rows] of prompts.entries()) {
    for (let draw = 0; draw < DRAWS; draw++) {
      const all = drawn(rows, TRAIN + tested);
      const [train, test] = [all.slice(0, TRAIN), all.slice(TRAIN)];
      await count(clean, train, test);
      for (const [other, elsewhere] of prompts.entries()) {
        if (other === at) continue;
        const strangers = drawn(elsewhere, tested);
        await count(fifth, train, [...test.slice(tested / 5), ...strangers.slice(0, tested / 5)]);
        await count(half, train, [...test.slice(tested / 2), ...strangers.slice(tested / 2)]);
        await count(whole, train, strangers);
      }
    }
  }
  const told = Object.entries({ clean, fifth, half, whole }).map(([kind, [alarms = 0, all = 0]]) => {
    const { low, high } = wilsonInterval(alarms, all);
    return `${kind} ${alarms} of ${all} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %)`;
  });
  console.log(`${tested} test prompts: ${told.join(', ')}`);
}

// As many training prompts: of more a sample is compared, which has fewer kin.
for (const tested of PART === 'plain' ? [] : [50, 100, 190, 400]) {
  for (const kin of KIN) {
    let [alarms, all] = [0, 0];
    for (const rows of prompts) {
      const words = rows.flatMap(({ prompt }) => prompt.split(/\s+/));
      for (let draw = 0; draw < DRAWS; draw++) {
        const texts = drawn(rows, 2 * tested);
        const train = withKin(texts.slice(tested), tested, words, kin);
        const test = withKin(texts.slice(0, tested), tested, words, kin);
        alarms += Number(await accused(train, test));
        all += 1;
      }
    }
    console.log(`${tested} test prompts, kin ${JSON.stringify(kin)}: clean ${alarms} of ${all}`);
  }
}
