/**
 * How often the gates of a classifier catch their defects, and accuse a clean model, where it is pictures that are classified: those
 * that judge answers, labels and embeddings as for texts (bench/gates/trials.ts), and those that are planted otherwise
 * (bench/gates/picture-trials.ts). Linear heads on frozen SqueezeNet 1.1 (clothes of Fashion-MNIST, CIFAR-10 photographs) and on ResNet-20,
 * which learnt from CIFAR-10's training pictures and classifies its test split. A draw has ten labels; of pictures that look alike one is
 * kept. Draws of a set share its pictures, and its penalty, which cross-validation chose on the first one.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-picture-classifiers.ts [draws a set = 20] [only these gates, with commas | all] [first draw = 0] [all | design | report = report] [only sets whose name holds this]
 *
 * The pictures of each set are in halves, by their digests: plants were designed on the one and are reported on the other.
 */
import type { GateName } from '../pipelines/gates/table.ts';
import { cleanDraw } from './gates/draw.ts';
import { KnownPictures, type Half } from './gates/kept-pictures.ts';
import { pictureTrials } from './gates/picture-trials.ts';
import { holdToGoals } from './gates/rates.ts';
import { Tally } from './gates/tally.ts';
import { TRIALS } from './gates/trials.ts';

const DRAWS = Number(process.argv[2] ?? 20);
const only = (process.argv[3] ?? 'all') === 'all' ? undefined : process.argv[3]!.split(',');
const FIRST = Number(process.argv[4] ?? 0);
const HALF = (process.argv[5] ?? 'report') as Half;
const OF = process.argv[6] ?? '';

/**
 * `near`: bits in which pictures that look alike differ at most. Five, as a definition has it that says nothing, leave 502 of 900
 * clothes, all on one black ground; two leave 803, and tell 29 of 180 saved anew at quality 60, so that copies of clothes are brighter alone.
 * `wide`: of both halves, by which nothing is chosen, for a gate that asks 20 test pictures of a label in each of two groups.
 */
const SETS = [
  {
    model: 'squeezenet1.1',
    from: 'onnx-zoo',
    dataset: 'fashion-mnist-sprite',
    foreign: 'cifar10-jpeg',
    asked: { splits: ['train', 'test'], most: 4000, near: 2 },
    coded: false,
    sizes: { train: 200, validation: 80, test: 120 },
    wide: { train: 200, validation: 80, test: 520 },
  },
  {
    model: 'resnet20-cifar10',
    from: 'akamaster',
    dataset: 'cifar10-jpeg',
    foreign: 'fashion-mnist-sprite',
    asked: { splits: ['test'], most: 4000, near: 5 },
    coded: true,
    sizes: { train: 240, validation: 100, test: 150 },
    wide: { train: 240, validation: 100, test: 600 },
  },
  {
    model: 'squeezenet1.1',
    from: 'onnx-zoo',
    dataset: 'cifar10-jpeg',
    foreign: 'fashion-mnist-sprite',
    asked: { splits: ['train'], most: 1600, near: 5 },
    coded: true,
    sizes: { train: 350, validation: 150, test: 300 },
    wide: { train: 350, validation: 150, test: 600 },
  },
] as const;

/** Where a trial asks for nothing that only texts have, and plants no less than is promised to be seen. */
const AS_FOR_TEXTS: readonly GateName[] = [
  'trainValidationGap',
  'validationTestGap',
  'labelSignal',
  'shiftedDrop',
  'opportunityGap',
  'gainOverProduction',
  'macroF1OverProduction',
];

/** In draws of `trainValidationGap`. */
const FEW_TESTS = 10;

const pictures = new KnownPictures();

/** Its pictures and what its backbone makes of them, which every draw shares. */
async function prepared(set: (typeof SETS)[number]) {
  const trials = [
    ...TRIALS.filter(({ gate }) => AS_FOR_TEXTS.includes(gate)),
    ...pictureTrials(pictures, { near: set.asked.near, coded: set.coded }),
  ].filter(({ gate }) => only?.includes(gate) ?? true);
  const asks = (gate: GateName): boolean => trials.some((one) => one.gate === gate);
  const rows = await pictures.rowsOf(set.dataset, { ...set.asked, half: HALF });
  const both = asks('opportunityGap') ? await pictures.rowsOf(set.dataset, { ...set.asked, half: 'all' }) : [];
  const foreign = asks('domainShift')
    ? await pictures.rowsOf(set.foreign, { splits: ['test'], most: 400, near: set.asked.near, half: HALF })
    : [];
  const ids = [...rows, ...both, ...foreign].map(({ text }) => text);
  const embedder = await pictures.embedder(set.model, set.from, ids);
  const { l2 } = await cleanDraw(embedder, rows, FIRST, set.sizes);
  const name = `${set.model}, ${set.dataset}`;
  const sizes = Object.values(set.sizes).join(', ');
  const title = `${name}, ${rows.length} pictures, ${sizes} a draw, penalty ${l2}`;
  return { ...set, name, title, trials, rows, both, foreign, embedder, l2, tally: new Tally() };
}

const sets: Awaited<ReturnType<typeof prepared>>[] = [];
for (const set of SETS.filter(({ model, dataset }) => `${model}, ${dataset}`.includes(OF)))
  sets.push(await prepared(set));
const began = performance.now();
for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
  for (const { trials, rows, both, foreign, embedder, l2, tally, sizes, wide } of sets) {
    const clean = await cleanDraw(embedder, rows, seed, sizes, l2);
    // It asks nothing of test pictures: all but a few are validation.
    const held = sizes.validation + sizes.test - FEW_TESTS;
    const gapped = await cleanDraw(embedder, rows, seed, { ...sizes, validation: held, test: FEW_TESTS }, l2);
    const wider = both.length === 0 ? clean : await cleanDraw(embedder, both, seed, wide, l2);
    for (const trial of trials) {
      const draw = { opportunityGap: wider, trainValidationGap: gapped }[trial.gate as string] ?? clean;
      await tally.run(trial, draw, { embedder, foreign, seed });
    }
  }
  const done = seed + 1 - FIRST;
  console.error(`${done} draws after ${((performance.now() - began) / 1000).toFixed(0)} s`);
  // What a long run has told so far, should it be stopped.
  if (done % 5 === 0 || done === DRAWS)
    for (const { title, tally } of sets) console.log(`${title}, ${done} draws\n${tally.table()}\n`);
}
for (const { embedder } of sets) await embedder.release();
holdToGoals(sets.flatMap(({ name, tally }) => tally.rates(name)));
