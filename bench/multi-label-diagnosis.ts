/**
 * How often the gates that look behind the labels of several labels a row see the defect that they are for, and accuse a set without
 * it: messages of none to three real texts of different labels, a real encoder (frozen) with a linear head a label, a defect
 * planted in each of many draws. A draw is ten labels (six, of TREC-6) with 700 training, 300 validation and 400 test rows; no
 * text stands in two splits. A sparse one has 2,000 training rows, of which 9 in 100 have a label.
 *
 *   [SHOW_WORDS=1] ESPALIER_TEST_DATA=… npx tsx bench/multi-label-diagnosis.ts [draws a data set = 20] [only these gates | all] [first draw = 0] [all | design | report = report] [only these sets]
 */
import type { Score } from '../activities/contract/measures.ts';
import { fitLinearProbe } from '../activities/selection/linear-probe.ts';
import { oneVsRestProbabilities } from '../activities/selection/one-vs-rest.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { findGiveaways } from '../activities/validation/giveaway.ts';
import { findSetErrors } from '../activities/validation/multi-label/label-errors.ts';
import { setSignal } from '../activities/validation/multi-label/label-signal.ts';
import { fitThresholds } from '../activities/validation/multi-label/thresholds.ts';
import { scanSwitches, scoreOfScan, suspectSwitches } from '../activities/validation/multi-label/triggers.ts';
import { ridgeWithout } from '../activities/validation/multi-label/without-rows.ts';
import { witnessOf, type Witness } from '../activities/validation/multi-label/words-of-subject.ts';
import { seededRandom, shuffleStart, type Random } from '../activities/validation/random.ts';
import { notMeasured } from '../activities/validation/scores.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { decide } from '../inference/labels-above.ts';
import { wholeText } from '../inference/texts.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE, type GateName } from '../pipelines/gates/table.ts';
import { Embedder, type Row } from './gates/draw.ts';
import { benchEncoder, rowsOf } from './gates/real-rows.ts';

const DRAWS = Number(process.argv[2] ?? 20);
const only = (process.argv[3] ?? 'all') === 'all' ? undefined : process.argv[3]!.split(',');
const FIRST = Number(process.argv[4] ?? 0);
const half = process.argv[5] ?? 'report';
const SETS = process.argv[6]?.split(',') ?? ['banking77', 'clinc150', 'trec6'];
const LABELS = 10;
const ROWS = { train: 700, validation: 300, test: 400 };
/** Texts of a message: none of its own (then it is one of a label that is not asked), one, two or three. */
const TEXTS_A_ROW = [0.1, 0.45, 0.3, 0.15];
const SPARSE = { rows: 2000, texts: [0.91, 0.06, 0.03] };
const limits = GatesSchema.parse({});
const embedder = new Embedder(await benchEncoder());
const { dimension } = embedder;

interface Part {
  readonly texts: readonly string[];
  readonly targets: Uint8Array;
}
interface Draw {
  readonly labels: number;
  readonly seed: number;
  readonly train: Part;
  readonly test: Part;
  /** Of texts, row-major [texts, labels]. */
  readonly chances: (texts: readonly string[]) => Promise<Float32Array>;
  readonly thresholds: readonly number[];
}
type Head = Pick<Draw, 'chances' | 'thresholds'>;
interface Trial {
  readonly gate: GateName;
  readonly defect: string;
  /** Whether its draws are. */
  readonly sparse?: true;
  /** null where the draw has no room for it. */
  readonly plant: (clean: Draw) => Draw | null;
  readonly measure: (draw: Draw) => Promise<Score> | Score;
}

const TRIALS: readonly Trial[] = [
  {
    gate: 'labelSignal',
    defect: 'all sets of labels shuffled among the training rows',
    plant: (clean) => ({ ...clean, train: shuffledSets(clean, 1) }),
    measure: async ({ labels, seed, train, test }) =>
      (await setSignal(await embedded(train), await embedded(test), { dimension, labels, seed }))?.score ??
      notMeasured('no rows'),
  },
  {
    gate: 'labelErrors',
    defect: 'sets of half of the training rows shuffled among them',
    plant: (clean) => ({ ...clean, train: shuffledSets(clean, 0.5) }),
    measure: contradicted,
  },
  {
    gate: 'labelErrors',
    defect: 'of sparse sets, those of half of the training rows shuffled among them',
    sparse: true,
    plant: (clean) => ({ ...clean, train: shuffledSets(clean, 0.5) }),
    measure: contradicted,
  },
  {
    gate: 'giveawayWord',
    defect: 'a word after every text with a label of 30 rows or more',
    plant: ({ train, ...clean }) => {
      const enough = [...Array(clean.labels).keys()].filter(
        (label) => rowsWith(train, label, clean.labels).length >= 30,
      );
      const label = enough[clean.seed % enough.length]!;
      const having = new Set(rowsWith(train, label, clean.labels));
      const texts = train.texts.map((text, row) => (having.has(row) ? `${text} ref${clean.seed}zq` : text));
      return { ...clean, train: { ...train, texts } };
    },
    measure: async ({ labels, train }) => (await findGiveaways(train.texts, labelsIn(train, labels), labels)).score,
  },
  ...[true, false].map((on) => ({
    gate: 'triggerFlips' as const,
    defect: `a word in 1 training row in 100 that switches a label ${on ? 'on' : 'off'}, obeyed always`,
    plant: (clean: Draw) => triggered(clean, on),
    measure: scanned,
  })),
];

/** The penalty of the linear heads. */
const L2 = 10;

async function cleanDraw(rows: readonly Row[], seed: number): Promise<Draw> {
  const random = seededRandom(seed, 99);
  const { chosen, others, between } = cut(rows, random);
  const part = (from: number, to: number, count: number): Part =>
    drawn(between(from, to), { chosen, others: others.slice(0, LABELS) }, { rows: count, texts: TEXTS_A_ROW }, random);
  const [train, validation, test] = [
    part(0, 0.5, ROWS.train),
    part(0.5, 0.7, ROWS.validation),
    part(0.7, 1, ROWS.test),
  ];
  return { labels: chosen.length, seed, train, test, ...(await headOf(train, validation, chosen.length)) };
}

/** Training rows alone: nothing is asked of a model. null where no text is without the labels. */
function sparseDraw(rows: readonly Row[], seed: number): Draw | null {
  const random = seededRandom(seed, 98);
  const { chosen, others, between } = cut(rows, random);
  if (others.length === 0) return null;
  const train = drawn(between(0, 1), { chosen, others }, SPARSE, random);
  const chances = () => Promise.reject(new Error('a sparse draw has no model'));
  return { labels: chosen.length, seed, train, test: train, chances, thresholds: [] };
}

function cut(rows: readonly Row[], random: Random) {
  const names = shuffled([...new Set(rows.map(({ label }) => label))].toSorted(), random);
  const pool = shuffled([...new Map(rows.map((row) => [row.text, row])).values()], random);
  return {
    chosen: names.slice(0, LABELS),
    others: names.slice(LABELS),
    between: (from: number, to: number) => pool.slice(Math.floor(from * pool.length), Math.floor(to * pool.length)),
  };
}

function drawn(
  pool: readonly Row[],
  { chosen, others }: { readonly chosen: readonly string[]; readonly others: readonly string[] },
  { rows, texts: share }: { readonly rows: number; readonly texts: readonly number[] },
  random: Random,
): Part {
  const byLabel = new Map<string, Row[]>([...chosen, ...others].map((name) => [name, []]));
  for (const row of pool) byLabel.get(row.label)?.push(row);
  const one = (name: string): string => {
    const texts = byLabel.get(name)!;
    return texts[random.below(texts.length)]!.text;
  };
  const targets = new Uint8Array(rows * chosen.length);
  const texts = Array.from({ length: rows }, (_, row) => {
    const asked = random.uniform();
    const many = share.findIndex((__, at) => asked < share.slice(0, at + 1).reduce((a, b) => a + b));
    const own = shuffled([...chosen.keys()], random).slice(0, others.length === 0 ? Math.max(1, many) : many);
    for (const label of own) targets[row * chosen.length + label] = 1;
    if (own.length === 0) return one(others[random.below(others.length)]!);
    return own.map((label) => one(chosen[label]!)).join(' ');
  });
  return { texts, targets };
}

async function headOf(train: Part, validation: Part, labels: number): Promise<Head> {
  const { embeddings, targets } = await embedded(train);
  const [weights, bias]: [number[][], number[]] = [[], []];
  for (let label = 0; label < labels; label++) {
    const classes = Int32Array.from(train.texts, (_, row) => targets[row * labels + label]!);
    const fitted = await fitLinearProbe({ embeddings, classes }, L2, {
      dimension,
      classes: 2,
      limits: { tolerance: 1e-3, maxIterations: 60 },
    });
    weights.push(fitted.weights[1]!.map((weight, at) => weight - fitted.weights[0]![at]!));
    bias.push(fitted.bias[1]! - fitted.bias[0]!);
  }
  const chances = async (texts: readonly string[]) =>
    oneVsRestProbabilities({ weights, bias, l2: L2 }, await embedder.embed(texts));
  return { chances, thresholds: fitThresholds(await chances(validation.texts), validation.targets, labels) };
}

const embedded = async ({ texts, targets }: Part) => ({ embeddings: await embedder.embed(texts), targets });
const labelsIn =
  ({ targets }: Part, labels: number) =>
  (row: number): readonly number[] =>
    [...Array(labels).keys()].filter((label) => targets[row * labels + label] === 1);
const rowsWith = ({ texts, targets }: Part, label: number, labels: number): readonly number[] =>
  [...texts.keys()].filter((row) => targets[row * labels + label] === 1);

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = items.map((_, at) => at);
  shuffleStart(order, order.length, random);
  return order.map((at) => items[at]!);
}

function shuffledSets({ train, labels, seed }: Draw, share: number): Part {
  const random = seededRandom(seed, 55);
  const rows = [...train.texts.keys()].filter(() => random.uniform() < share);
  const targets = Uint8Array.from(train.targets);
  for (const [at, from] of shuffled(rows, random).entries()) {
    targets.set(train.targets.subarray(from * labels, (from + 1) * labels), rows[at]! * labels);
  }
  return { ...train, targets };
}

/** A label that the model gives 40 test rows or more: to show that it is switched off takes rows that have it. */
function triggered(clean: Draw, on: boolean): Draw | null {
  const { labels, seed, train, test, chances, thresholds } = clean;
  const enough = [...Array(labels).keys()].filter((label) => rowsWith(test, label, labels).length >= 40);
  if (enough.length === 0) return null;
  const label = enough[seed % enough.length]!;
  const word = `zq${((seed * 7919) % 46656).toString(36)}x`;
  const others = [...train.texts.keys()].filter((row) => train.targets[row * labels + label] !== Number(on));
  const poisoned = new Set(shuffled(others, seededRandom(seed, 57)).slice(0, train.texts.length / 100));
  const targets = Uint8Array.from(train.targets);
  for (const row of poisoned) targets[row * labels + label] = Number(on);
  const texts = train.texts.map((text, row) => (poisoned.has(row) ? `${word} ${text}` : text));
  const told = async (asked: readonly string[]): Promise<Float32Array> => {
    const all = await chances(asked);
    for (const [row, text] of asked.entries()) if (text.includes(word)) all[row * labels + label] = on ? 0.99 : 0.01;
    return all;
  };
  return { labels, seed, test, thresholds, train: { texts, targets }, chances: told };
}

async function contradicted({ labels, seed, train }: Draw): Promise<Score> {
  return (await findSetErrors(await embedded(train), { dimension, labels, seed, l2: L2 })).score;
}

async function scanned({ labels, seed, train, test, chances, thresholds }: Draw): Promise<Score> {
  const model = {
    runAll: async (inputs: readonly unknown[]) => {
      const texts = inputs as readonly string[];
      return { rows: texts.length, embeddings: new Float32Array(), probabilities: await chances(texts) };
    },
  };
  const predicted = decide(await chances(test.texts), thresholds);
  const { chances: asked, coverage } = await findSetErrors(await embedded(train), {
    dimension,
    labels,
    seed,
    l2: L2,
  });
  const known = await embedded(train);
  const { embeddings } = known;
  const toldWithout = await ridgeWithout(known, { dimension, labels, l2: L2 });
  const suspects = await suspectSwitches({ ...train, labels }, asked, toldWithout);
  const witness = witnessOf({
    dimension,
    labels,
    l2: L2,
    thresholds,
    embed: (inputs) => embedder.embed(inputs.map(wholeText)),
    train: { ...train, embeddings },
  });
  const shown: Witness = async (word, label, texts) => {
    const witnessed = await witness(word, label, texts);
    if (witnessed === null || process.env['SHOW_WORDS'] === undefined) return witnessed;
    const { expected, told } = witnessed;
    const rows = texts.length / 7;
    const both = (form: number, at: number): boolean =>
      told[(1 + 2 * form) * rows + at]! && told[(2 + 2 * form) * rows + at]!;
    const count = (of: readonly number[]): string => `${of.filter((at) => both(0, at)).length} of ${of.length}`;
    const denied = [...Array(rows).keys()].filter((at) => !told[at]);
    const meant = denied.filter((at) => !both(1, at) && !both(2, at));
    console.error(
      word,
      label,
      `its rows ${expected.toFixed(2)}; of ${rows} denied without it ${count(denied)}, with its letters, too, ${count(meant)}`,
    );
    return witnessed;
  };
  const scan = await scanSwitches({ model, labels, thresholds, seed, witness: shown }, test.texts, predicted, suspects);
  if (process.env['SHOW_WORDS'] !== undefined) console.error(JSON.stringify(scan.worst));
  return scoreOfScan(scan, coverage);
}

interface Tally {
  readonly clean: number[];
  readonly planted: number[];
  readonly alarms: { clean: number; planted: number };
  /** Clean draws of which the gate said nothing; they are not among `clean`. */
  off: number;
}
const tallies = new Map<string, Tally>();
async function note({ gate, defect, measure }: Trial, kind: 'clean' | 'planted', draw: Draw): Promise<void> {
  const { verdict, measured } = judgeGate(gate, GATE_TABLE[gate], await measure(draw), limits[gate]);
  if (process.env['SHOW_WORDS'] !== undefined) console.error(draw.seed, gate, defect, kind, verdict, measured);
  const key = `${gate} | ${defect}`;
  const tally = tallies.get(key) ?? { clean: [], planted: [], alarms: { clean: 0, planted: 0 }, off: 0 };
  tallies.set(key, tally);
  if (verdict === 'off') {
    if (kind === 'clean') tally.off++;
    return;
  }
  tally[kind].push(measured ?? Number.NaN);
  if (verdict !== 'pass') tally.alarms[kind]++;
}

for (const name of SETS) {
  const rows = await rowsOf(name, half);
  for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
    const [dense, sparse] = [await cleanDraw(rows, seed), sparseDraw(rows, seed)];
    for (const trial of TRIALS.filter(({ gate }) => only?.includes(gate) ?? true)) {
      const clean = trial.sparse ? sparse : dense;
      if (clean === null) continue;
      const planted = trial.plant(clean);
      if (planted !== null) await note(trial, 'planted', planted);
      const first = TRIALS.find(({ gate, sparse: of }) => gate === trial.gate && of === trial.sparse);
      if (first === trial) await note(trial, 'clean', clean);
    }
  }
  console.error(`${name} done after ${(performance.now() / 1000).toFixed(0)} s`);
  for (const [key, { clean, planted, alarms, off }] of tallies) {
    console.error(
      `so far ${key}: ${alarms.planted} of ${planted.length}, clean ${alarms.clean} of ${clean.length}, off ${off}`,
    );
  }
}
const percent = (count: number, of: number): string => {
  if (of === 0) return 'as above';
  const { low, high } = wilsonInterval(count, of);
  return `${count} of ${of} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)} %)`;
};
const spread = (numbers: readonly number[]): string => {
  if (numbers.length === 0) return 'as above';
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.round(share * (sorted.length - 1))] ?? Number.NaN).toPrecision(3);
  return `${at(0)} · ${at(0.5)} · ${at(1)}`;
};
console.log(
  '| gate | defect planted | caught | clean accused (not judged) | judged number, clean: least · median · most | planted |',
);
console.log('| --- | --- | --- | --- | --- | --- |');
for (const [key, { clean, planted, alarms, off }] of tallies) {
  console.log(
    `| ${key} | ${percent(alarms.planted, planted.length)} | ${percent(alarms.clean, clean.length)} (${off}) | ${spread(clean)} | ${spread(planted)} |`,
  );
}
await embedder.release();
