/** Defects that accuracy hardly shows: labels with few rows that are served worse. */
import type { Score } from '../../activities/contract/measures.ts';
import { macroF1Gain } from '../../activities/validation/macro-f1-difference.ts';
import { bestByMacroF1, trivialModels } from '../../activities/validation/trivial.ts';
import { predictedOf, withHead, type Draw, type Embeds, type Head } from './draw.ts';
import type { Trial } from './trials.ts';
import { hash, helped, leavesRoom, ofFewRows, standing, turned } from './turned.ts';

const RARE_ROWS = 30;
/** Of macro-F1. */
const LEAST_LOSS = 0.1;
/** Three labels in ten, of six two: those with the most test rows, which all have so many. */
function rareLabels({ classes, test }: Draw): ReadonlySet<number> {
  const rows = new Uint32Array(classes);
  for (const label of test.classes) rows[label]!++;
  const byRows = [...rows.keys()].toSorted((one, other) => rows[other]! - rows[one]! || one - other);
  return new Set(byRows.slice(0, Math.ceil(0.3 * classes)));
}

/** Of some labels few test rows are left, and the model in production is the same one. */
function withRareLabels(draw: Draw, rare = rareLabels(draw)): Draw {
  const { test } = draw;
  const dimension = draw.train.embeddings.length / draw.train.classes.length;
  const seen = new Uint32Array(draw.classes);
  const kept = [...test.classes.keys()].filter((row) => {
    const label = test.classes[row]!;
    seen[label]!++;
    return !rare.has(label) || seen[label]! <= RARE_ROWS;
  });
  return {
    ...draw,
    production: draw.head,
    test: {
      texts: kept.map((row) => test.texts[row]!),
      classes: Int32Array.from(kept, (row) => test.classes[row]!),
      embeddings: Float32Array.from(
        kept.flatMap((row) => [...test.embeddings.subarray(row * dimension, (row + 1) * dimension)]),
      ),
    },
  };
}

/**
 * Wrong for 9 in 10 rows of rare labels that production has right, and right for as many others that it has wrong, where there are; null where
 * it is that much better on these that little is lost.
 */
async function worseOnRareLabels(clean: Draw, embedder: Embeds): Promise<Draw | null> {
  const rare = rareLabels(clean);
  const draw = withRareLabels(clean, rare);
  const { texts, classes } = draw.test;
  const before = predictedOf(draw, draw.test);
  const rows = [...classes.keys()];
  const lost = rows.filter(
    (row) => rare.has(classes[row]!) && before[row] === classes[row] && hash(texts[row]!) % 10 < 9,
  );
  const won = rows.filter((row) => !rare.has(classes[row]!) && before[row] !== classes[row]).slice(0, lost.length);
  const frequent = [...Array(draw.classes).keys()].find((label) => !rare.has(label))!;
  const answers = new Map([
    ...lost.map((row) => [texts[row]!, frequent] as const),
    ...won.map((row) => [texts[row]!, classes[row]!] as const),
  ]);
  const worse = {
    ...withHead(
      embedder,
      draw,
      turned(draw.head, draw.classes, (text) => answers.get(text) ?? null),
    ),
    production: draw.head,
  };
  const { value } = await ofF1(worse);
  return value !== null && value <= -LEAST_LOSS ? worse : null;
}

export const F1_TRIALS: readonly Trial[] = [
  {
    gate: 'macroF1OverTrivial',
    defect: 'as of gainOverTrivial, where 3 labels in 10 have at most 30 test rows each',
    async clean(draw, around) {
      const left = withRareLabels(draw);
      return (await leavesRoom(left)) ? helped(left, around) : null;
    },
    plant: async (clean, { embedder }) => withHead(embedder, withRareLabels(clean), await ofFewRows(clean, embedder)),
    async measure(draw) {
      const { train, test, classes, seed } = draw;
      const trivial = bestByMacroF1(await trivialModels(train, test, classes), { expected: test.classes }, classes);
      return macroF1Gain(test.classes, trivial.predicted, predictedOf(draw, test), classes, { seed });
    },
  },
  {
    gate: 'macroF1OverProduction',
    defect:
      'of 3 labels in 10, with at most 30 test rows each, 9 in 10 rows lost that production has right, and as many others won, where that costs ten points of macro-F1; clean: the same model',
    clean: (draw) => withRareLabels(draw),
    plant: (clean, { embedder }) => worseOnRareLabels(clean, embedder),
    measure: ofF1,
  },
  {
    gate: 'macroF1OverProduction',
    defect: 'as above; clean: one in 20 answers of either model another, of each its own',
    clean(draw, { embedder }) {
      const apart = (salt: string): Head =>
        turned(draw.head, draw.classes, (text) =>
          hash(`${text}${salt}`) % 20 === 0 ? hash(`${salt}${text}`) % draw.classes : null,
        );
      return { ...withRareLabels(withHead(embedder, draw, apart('new'))), production: apart('old') };
    },
    plant: (clean, { embedder }) => worseOnRareLabels(clean, embedder),
    measure: ofF1,
  },
];

function ofF1(draw: Draw): Promise<Score> {
  return macroF1Gain(draw.test.classes, standing(draw), predictedOf(draw, draw.test), draw.classes, {
    seed: draw.seed,
  });
}
