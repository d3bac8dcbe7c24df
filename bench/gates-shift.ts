/**
 * `domainShift` of a classifier of texts: how often it accuses test rows that come from where training rows come from, and how often
 * it sees that a quarter of them, half, or all come from another set. Real rows and a real encoder, as bench/gates.ts has them: ten
 * labels (all, where there are fewer), 700 training rows, and no near twins across the splits. Clean draws with kin have besides, on the
 * same side, of six texts in ten a variant in which one word in five is another of the set; or of every text so many forms, in the test alone
 * or on both sides: edited ones (a typo or a word left out, one or two of them) or reworded ones (two words in five are others of the set).
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-shift.ts [draws a set, or pair of sets = 5] [design | report = report] [numbers of test rows = 50,100,200,400]
 */
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { textShift } from '../activities/validation/row-shift.ts';
import { benchEncoder, rowsOf } from './gates/real-rows.ts';
import { Embedder, type Row } from './gates/draw.ts';
import { nearGroups } from '../activities/data/near-duplicates.ts';
import { normaliseText } from '../activities/data/normalise.ts';
import { ShiftTally } from './gates/shift-tally.ts';

const DRAWS = Number(process.argv[2] ?? 5);
const half = process.argv[3] ?? 'report';
const SETS = ['banking77', 'clinc150', 'sst2', 'trec6'];
const [LABELS, TRAIN] = [10, 700];
const SIZES = (process.argv[4] ?? '50,100,200,400').split(',').map(Number);
const SHARES = { clean: 0, 'a tenth': 0.1, 'a quarter': 0.25, half: 0.5, all: 1 };
const FORMS = [
  ['edited', 2],
  ['edited', 5],
  ['edited', 10],
  ['reworded', 5],
] as const satisfies readonly (readonly [kind: 'edited' | 'reworded', count: number])[];
const random = seededRandom(2027);
const { signal } = new AbortController();

const embedder = new Embedder(await benchEncoder());
const sets = await Promise.all(SETS.map((name) => rowsOf(name, half)));
const tally = new ShiftTally();

for (const [which, rows] of sets.entries()) {
  for (let draw = 0; draw < DRAWS; draw++) {
    const { train, test } = await apart(rows);
    for (const size of SIZES) {
      if (test.length < size) continue;
      for (const [other, elsewhere] of sets.entries()) {
        const strangers = other === which ? [] : drawn(elsewhere, size);
        for (const [kind, share] of Object.entries(SHARES)) {
          if ((share === 0) !== (other === which)) continue;
          const foreign = Math.round(share * size);
          const texts = [...test.slice(foreign, size), ...strangers.slice(0, foreign)];
          await note(`${size} test rows, ${kind}`, train, texts);
        }
      }
      const half = size / 2;
      await note(`${size} test rows, clean with kin`, withKin(train, rows), withKin(test.slice(0, half), rows));
      for (const [kind, count] of FORMS) {
        const forms = inForms(test, size, [kind, count], rows);
        await note(`${size} test rows, clean, each in ${count} ${kind} forms`, train, forms);
        if (kind === 'edited' && count === 5)
          await note(
            `${size} test rows, clean, each in 5 edited forms, on both sides`,
            inForms(train, train.length, [kind, count], rows),
            forms,
          );
      }
    }
  }
  console.error(`${SETS[which]} done`);
  tally.tell(console.error);
}
tally.tell(console.log);
await embedder.release();

async function note(what: string, train: readonly string[], test: readonly string[]): Promise<void> {
  const [here, there] = [await embedder.embed(train), await embedder.embed(test)];
  const frozen = { dimension: embedder.dimension, train: here, test: there };
  const { score } = await textShift(frozen, { train, test }, { seed: random.below(2 ** 31), signal });
  tally.note(what, score);
}

/** Texts of ten labels; those that are near twins of a training text are no test text. */
async function apart(
  rows: readonly Row[],
): Promise<{ readonly train: readonly string[]; readonly test: readonly string[] }> {
  const names = [...new Set(rows.map(({ label }) => label))].toSorted();
  shuffleStart(names as unknown as number[], names.length, random);
  const chosen = new Set(names.slice(0, LABELS));
  const own = drawn(
    rows.filter(({ label }) => chosen.has(label)),
    TRAIN + 2 * Math.max(...SIZES),
  );
  const most = Math.min(TRAIN, Math.floor(own.length / 2));
  const texts = own.map(normaliseText);
  const groups = await nearGroups(texts, texts, 0.8, signal);
  const learnt = new Set(groups.slice(0, most));
  return { train: own.slice(0, most), test: own.filter((_, at) => at >= most && !learnt.has(groups[at]!)) };
}

function drawn(rows: readonly Row[], most: number): readonly string[] {
  const texts = [...new Set(rows.map(({ text }) => text))];
  shuffleStart(texts as unknown as number[], texts.length, random);
  return texts.slice(0, most);
}

function withKin(texts: readonly string[], rows: readonly Row[]): readonly string[] {
  return texts.flatMap((text) => (random.uniform() >= 0.6 ? [text] : [text, reworded(text, 0.2, rows)]));
}

/** `size` rows: each text, and other forms of it. */
function inForms(
  texts: readonly string[],
  size: number,
  [kind, count]: readonly [kind: 'edited' | 'reworded', count: number],
  rows: readonly Row[],
): readonly string[] {
  const form = (text: string): string => (kind === 'edited' ? edited(text) : reworded(text, 0.4, rows));
  return texts
    .slice(0, Math.ceil(size / count))
    .flatMap((text) => [text, ...Array.from({ length: count - 1 }, () => form(text))])
    .slice(0, size);
}

function reworded(text: string, share: number, rows: readonly Row[]): string {
  const words = text.split(/\s+/);
  const edits = Math.max(1, Math.round(share * words.length));
  for (let edit = 0; edit < edits; edit++) {
    const others = rows[random.below(rows.length)]!.text.split(/\s+/);
    words[random.below(words.length)] = others[random.below(others.length)]!;
  }
  return words.join(' ');
}

/** Two letters exchanged, or a word left out, once or twice. */
function edited(text: string): string {
  const words = text.split(/\s+/);
  for (let edits = 1 + random.below(2); edits > 0; edits--) {
    const at = random.below(words.length);
    const word = words[at]!;
    const letter = random.below(Math.max(1, word.length - 1));
    if (words.length > 2 && random.below(2) === 0) words.splice(at, 1);
    else
      words[at] =
        word.slice(0, letter) +
        word
          .slice(letter, letter + 2)
          .split('')
          .toReversed()
          .join('') +
        word.slice(letter + 2);
  }
  return words.join(' ');
}
