/** The defects that are planted in classifiers of pictures otherwise than in those of texts: as large as docs/gates.md promises to show of so few. */
import sharp from 'sharp';
import { findPictureTwins } from '../../activities/validation/seen-pictures.ts';
import { findLabelErrors } from '../../activities/validation/label-quality.ts';
import { countCorrect } from '../../activities/validation/metrics.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { pictureShift } from '../../activities/validation/row-shift.ts';
import { gainScore, plainScore } from '../../activities/validation/scores.ts';
import { pictureSlices, sliceGaps, worstGap } from '../../activities/validation/slices.ts';
import { trivialModels } from '../../activities/validation/trivial.ts';
import type { PictureRow } from '../../activities/data/images/pictures.ts';
import { calibrationOf } from '../../activities/validation/calibration.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { predictedOf, withHead, type Draw, type Head } from './draw.ts';
import type { KnownPictures } from './kept-pictures.ts';
import { mislabelled, powerFor, raised, settings, TRIALS, type Trial } from './trials.ts';
import { hash, helped, turned, wrongFor } from './turned.ts';

/** Points that docs/gates.md promises to show with so many rows: a test holds them to its table. */
export const PROMISED = {
  calibrationError: { 100: 22.5, 200: 17.5, 400: 15, 1000: 12.5 },
} as const;

/** As a share; of rows between two numbers what is promised of the smaller one. */
export function promised(gate: keyof typeof PROMISED, rows: number): number {
  const sizes = Object.entries(PROMISED[gate]).filter(([least]) => Number(least) <= rows);
  const found = sizes.at(-1);
  if (found === undefined) throw new RangeError(`docs/gates.md promises nothing of ${gate} with ${rows} rows`);
  return found[1] / 100;
}

/** Answers such a share of a part's pictures, by another lot in each draw, with a label that is not theirs. */
function wrongBy(draw: Draw, part: 'validation' | 'test', share: number): Head {
  const { texts, classes } = draw[part];
  const wrong = new Map(
    texts.flatMap((text, row) =>
      (hash(`${draw.seed} ${text}`) % 1000) / 1000 < share ? [[text, (classes[row]! + 1) % draw.classes] as const] : [],
    ),
  );
  return turned(draw.head, draw.classes, (text) => wrong.get(text) ?? null);
}

const limit = GatesSchema.parse({}).labelErrors;

/** Of all that the head has not learnt from: what it is right about in truth, as far as these pictures tell. */
function heldOut(draw: Draw): { readonly share: number; readonly chances: Float32Array } {
  const texts = [...draw.validation.texts, ...draw.test.texts];
  const embeddings = Float32Array.from([...draw.validation.embeddings, ...draw.test.embeddings]);
  const right = [draw.validation, draw.test].reduce(
    (sum, part) => sum + countCorrect(part.classes, predictedOf(draw, part)),
    0,
  );
  return { share: right / texts.length, chances: draw.head(texts, embeddings) };
}

export const pictureTrials = (
  pictures: KnownPictures,
  { near, coded }: { readonly near: number; readonly coded: boolean },
): readonly Trial[] => {
  const slicesOf = (ids: readonly string[]) => pictureSlices(ids.map((id) => pictures.seenOf(id)));
  const rowOf = (id: string): PictureRow => ({ id, image: `${id}.jpg`, label: '', seen: pictures.seenOf(id) });
  const byColours = async (draw: Draw): Promise<Int32Array> => {
    const of = ({ texts, classes }: Draw['train']) => ({ classes, pictures: pictures.coloursOf(texts, classes) });
    const [trivial] = await trivialModels(of(draw.train), of(draw.test), draw.classes);
    return trivial.predicted;
  };
  const mayBeUnseen = new WeakSet<Draw>();
  return [
    {
      ...TRIALS.find(({ gate }) => gate === 'domainShift')!,
      async measure({ train, test, seed }) {
        const dimension = train.embeddings.length / train.classes.length;
        const frozen = { dimension, train: train.embeddings, test: test.embeddings };
        const { signal } = new AbortController();
        return (await pictureShift(frozen, { train: train.classes, test: test.classes }, { seed, signal })).score;
      },
    },
    {
      gate: 'gainOverTrivial',
      defect:
        'right as often as the five nearest by their pixels; clean: right about 9 in 10 of what the linear head misses',
      clean: helped,
      async plant(clean, { embedder }) {
        const [own, trivial] = [predictedOf(clean, clean.test), await byColours(clean)].map((predicted) =>
          countCorrect(clean.test.classes, predicted),
        );
        if (own! <= trivial!) return null;
        return withHead(embedder, clean, wrongBy(clean, 'test', 1 - trivial! / own!));
      },
      measure: async (draw) => gainScore(draw.test.classes, predictedOf(draw, draw.test), await byColours(draw)),
    },
    {
      gate: 'calibrationError',
      defect:
        'logits scaled until it is by as much surer than right as docs/gates.md promises to show, or less sure where nearly all is right',
      plant(clean, { embedder }) {
        const { share, chances } = heldOut(clean);
        const size = promised('calibrationError', clean.test.classes.length);
        const aim = share + size < 0.97 ? share + size : share - size;
        const power = powerFor(chances, clean.classes, aim);
        return withHead(embedder, clean, (asked, embedded) =>
          raised(clean.head(asked, embedded), clean.classes, power),
        );
      },
      measure: async (draw) =>
        (await calibrationOf(draw.head(draw.test.texts, draw.test.embeddings), draw.test.classes, draw.classes, draw))
          .ece,
    },
    {
      gate: 'labelErrors',
      defect: '4 in 10 labels wrong, where the gate does not say that it could not see that',
      plant(clean, { seed }) {
        const classes = mislabelled(clean.train.classes, clean.classes, 0.4, seed);
        const planted = { ...clean, train: { ...clean.train, classes } };
        mayBeUnseen.add(planted);
        return planted;
      },
      async measure(draw) {
        const { score } = await findLabelErrors(draw.train, settings(draw), { planting: false });
        // Which wrong labels it would see is dear to ask, and says nothing where it warns.
        if (!mayBeUnseen.has(draw) || judgeGate('labelErrors', GATE_TABLE.labelErrors, score, limit).verdict !== 'pass')
          return score;
        return (await findLabelErrors(draw.train, settings(draw))).score;
      },
    },
    {
      gate: 'leakedTestRows',
      defect: `one test picture in 20 in training, brighter${coded ? ' and saved at quality 60' : ''}`,
      async plant(clean) {
        const copies = clean.test.texts.filter((_, row) => row % 20 === 0);
        for (const id of copies.filter((one) => !pictures.has(`copy of ${one}`))) {
          const brighter = sharp(pictures.bytesOf(id)).linear(1.1, 0);
          await pictures.add(
            `copy of ${id}`,
            await (coded ? brighter.jpeg({ quality: 60 }) : brighter.png()).toBuffer(),
          );
        }
        const texts = [...clean.train.texts, ...copies.map((id) => `copy of ${id}`)];
        return { ...clean, train: { ...clean.train, texts } };
      },
      async measure({ train, test }) {
        async function* known() {
          await Promise.resolve();
          yield* train.texts.map(rowOf);
        }
        const twins = await findPictureTwins(test.texts.map(rowOf), known(), near, new AbortController().signal);
        return plainScore(twins.size / test.texts.length, test.texts.length);
      },
    },
    {
      gate: 'sliceGap',
      defect: 'the brightest third of the pictures wrong 5 times in 10 more',
      plant(clean, { embedder }) {
        const brightest = new Set(slicesOf(clean.test.texts).at(-1)!.rows);
        return withHead(
          embedder,
          clean,
          wrongFor(clean, (row) => brightest.has(row), 5),
        );
      },
      measure(draw) {
        const predicted = predictedOf(draw, draw.test);
        const correct = [...draw.test.classes].map((label, row) => label === predicted[row]);
        return worstGap(sliceGaps(correct, slicesOf(draw.test.texts)));
      },
    },
  ];
};
