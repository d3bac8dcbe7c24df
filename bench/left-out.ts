/**
 * What leave-one-out says of a finder where a gallery has few pictures a label, on made embeddings: a gallery of 1,200
 * pictures of as many labels as that gives, each label a centre and every picture one and noise; five neighbours vote. Validation beside leave-one-out of every row of the gallery; then who is chosen
 * of a finder and one with more noise that is faster: by both row by row whatever they say, as it was, by the product's own rule, and by validation alone.
 * Run: `npx tsx bench/left-out.ts [draws = 20]`. One core, some minutes.
 */
import type { EncoderProbe } from '../activities/contract/selection.ts';
import type { Score } from '../activities/contract/measures.ts';
import { rowsInMemory } from '../activities/selection/embedded-rows.ts';
import { knnLeaveOneOut, knnPredict, type LabelledEmbeddings } from '../activities/selection/knn.ts';
import { foldsCount, pooledAccuracy, type Answers } from '../activities/selection/pooled.ts';
import { countCorrect } from '../activities/validation/metrics.ts';
import { seededRandom, type Random } from '../activities/validation/random.ts';
import { SelectionSchema } from '../pipelines/definition/selection.ts';
import { rightOf, similarities } from './selection/near.ts';

const DRAWS = Number(process.argv[2] ?? 20);
const GALLERY = 1200;
const DIMENSION = 24;
const NEIGHBOURS = 5;
const VALIDATION = 300;
/** How far pictures are from their label's centre, which is one from zero, in each number: of the finder that is better, and of the faster one. */
const [GOOD, FAST] = [0.6, 0.64];
const { tolerance } = SelectionSchema.parse({});

interface Drawing {
  readonly centres: Float64Array;
  readonly noise: number;
  readonly random: Random;
}

function pictures(count: number, { centres, noise, random }: Drawing): LabelledEmbeddings {
  const labels = centres.length / DIMENSION;
  // Of a validation split that is smaller than the labels, some of them.
  const first = random.below(labels);
  const classes = Int32Array.from({ length: count }, (_, at) => (first + at) % labels);
  const embeddings = Float32Array.from(
    { length: count * DIMENSION },
    (_, at) => centres[classes[Math.floor(at / DIMENSION)]! * DIMENSION + (at % DIMENSION)]! + noise * random.normal(),
  );
  return { embeddings, classes };
}

const score = (correct: number, rows: number): Score => ({
  value: rows === 0 ? null : correct / rows,
  interval: null,
  rows,
});

interface Asked {
  /** Of every row of the gallery. */
  readonly all: Answers;
  /** As the step records it. */
  readonly product: Answers;
}

async function ask(drawing: Drawing, seed: number): Promise<Asked> {
  const [gallery, validation] = [pictures(GALLERY, drawing), pictures(VALIDATION, drawing)];
  const labels = drawing.centres.length / DIMENSION;
  const [known, asked] = [rowsInMemory(gallery, DIMENSION), rowsInMemory(validation, DIMENSION)];
  const options = { neighbours: NEIGHBOURS, classes: labels, seed };
  const right = countCorrect(validation.classes, await knnPredict(known, asked, DIMENSION, options));
  const { correct, rows, askable } = await knnLeaveOneOut(known, DIMENSION, options);
  const answers = score(right, validation.classes.length);
  const leftOut: EncoderProbe['knnLeaveOneOut'] = { ...score(correct, rows), askable };
  // Where the product asks every row there is no need to do it again.
  const every = rows === GALLERY ? leftOut : score(ofEveryRow(gallery, labels), GALLERY);
  return { all: { validation: answers, training: every }, product: { validation: answers, training: leftOut } };
}

function ofEveryRow({ embeddings, classes }: LabelledEmbeddings, labels: number): number {
  const rows = Array.from(classes, (_, at) => at);
  const near = similarities([...embeddings], DIMENSION);
  return rightOf(near, { known: rows, asked: rows, classes, neighbours: NEIGHBOURS, labels });
}

/** The better one leads by more than the tolerance: else the faster one is served. */
function findsBetter(good: Answers, fast: Answers, pooled: boolean): boolean {
  const rankedBy = (answers: Answers): number =>
    (pooled ? pooledAccuracy(answers) : null) ?? answers.validation.value ?? 0;
  return rankedBy(fast) < rankedBy(good) - tolerance - 1e-9;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

for (const each of [1, 2, 3, 6, 10]) {
  const drawn = { good: [] as Answers[], fast: [] as Answers[], was: 0, is: 0, alone: 0, counted: 0 };
  for (let seed = 1; seed <= DRAWS; seed++) {
    const random = seededRandom(seed, each);
    const centres = Float64Array.from({ length: (GALLERY / each) * DIMENSION }, () => random.normal());
    const good = await ask({ centres, noise: GOOD, random }, seed);
    const fast = await ask({ centres, noise: FAST, random }, seed);
    drawn.good.push(good.all);
    drawn.fast.push(fast.all);
    const { count } = foldsCount(
      [
        { ...good.product, id: 'good' },
        { ...fast.product, id: 'fast' },
      ],
      'neighbours',
    );
    drawn.counted += Number(count);
    drawn.was += Number(findsBetter(good.all, fast.all, true));
    drawn.is += Number(findsBetter(good.product, fast.product, count));
    drawn.alone += Number(findsBetter(good.all, fast.all, false));
  }
  const shares = (answers: readonly Answers[]): string =>
    `${percent(mean(answers.map(({ validation }) => validation.value ?? 0)))} and ${percent(mean(answers.map(({ training }) => training?.value ?? 0)))}`;
  console.log(
    `${each} a label: validation and leave-one-out ${shares(drawn.good)}, of the faster ${shares(drawn.fast)}; the better one is chosen in ${drawn.was} of ${DRAWS} as it was, ${drawn.is} as it is (training rows count in ${drawn.counted}), ${drawn.alone} by validation alone`,
  );
}
