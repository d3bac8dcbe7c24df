/**
 * `domainShift` of a generator: how often it accuses test prompts that come from where training prompts come from, and how
 * often it sees that a quarter of them, half, or all come from elsewhere. Real texts of five sets stand for prompts: clean draws take both
 * sides from one set, planted ones take rows of another into the test. A tenth of another set is the threshold: at that
 * edge the gate is not to speak more often than its interval allows. Clean draws with kin take texts and variants of
 * them, all of a text on one side as a split keeps them: with a word changed, or two in five.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/prompt-shift.ts [draws = 3 a pair of sets, or set] [plain or kin: the one alone] [these alone: clean 50,half 200 …]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { domainShift } from '../activities/generation/domain-shift.ts';
import type { PromptRow } from '../activities/data/prompts.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { GENERATION_GATE_TABLE } from '../pipelines/gates/generation.ts';
import { exactly } from './support.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 3);
const TRAIN = 500;
const PART = process.argv[3];
const ONLY = process.argv[4]?.split(',');
const SHARES = { clean: 0, 'a tenth': 0.1, 'a quarter': 0.25, half: 0.5, all: 1 };
const gate = GENERATION_GATE_TABLE.domainShift;
const { signal } = new AbortController();
let random = seededRandom(2026);

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
  return judgeGate('domainShift', gate, score, { max: gate.threshold, severity: gate.severity }).verdict === 'warn';
}

const told = new Map<string, [alarms: number, draws: number]>();
async function note(what: string, train: readonly PromptRow[], test: readonly PromptRow[]): Promise<void> {
  const [alarms, draws] = told.get(what) ?? [0, 0];
  told.set(what, [alarms + Number(await accused(train, test)), draws + 1]);
}
function tell(say: (line: string) => void): void {
  for (const [what, [alarms, draws]] of told) say(`${what}: warns ${exactly(alarms, draws)}`);
}
const asked = (name: string): boolean => ONLY === undefined || ONLY.includes(name);

for (const [kind, share] of PART === 'kin' ? [] : Object.entries(SHARES)) {
  for (const tested of [50, 100, 200, 400]) {
    if (!asked(`${kind} ${tested}`)) continue;
    // Draws of its own, whatever else is run.
    random = seededRandom(2026, 1000 * tested + 100 * share);
    for (let draw = 0; draw < DRAWS; draw++) {
      for (const [at, rows] of prompts.entries()) {
        for (const [other, elsewhere] of prompts.entries()) {
          if (other === at) continue;
          const foreign = Math.round(share * tested);
          const all = drawn(rows, TRAIN + tested);
          const test = [...all.slice(TRAIN + foreign), ...drawn(elsewhere, foreign)];
          await note(`${tested} test prompts, ${kind}`, all.slice(0, TRAIN), test);
        }
      }
      tell(console.error);
    }
  }
}

// As many training prompts: of more a sample is compared, which has fewer kin.
for (const tested of PART === 'plain' ? [] : [50, 100, 200, 400]) {
  for (const [which, kin] of KIN.entries()) {
    if (!asked(`${which} ${tested}`)) continue;
    random = seededRandom(2027, 10 * tested + which);
    for (let draw = 0; draw < DRAWS; draw++) {
      for (const rows of prompts) {
        const words = rows.flatMap(({ prompt }) => prompt.split(/\s+/));
        const texts = drawn(rows, 2 * tested);
        const train = withKin(texts.slice(tested), tested, words, kin);
        const test = withKin(texts.slice(0, tested), tested, words, kin);
        await note(`${tested} test prompts, clean with kin ${JSON.stringify(kin)}`, train, test);
      }
      tell(console.error);
    }
  }
}
tell(console.log);
