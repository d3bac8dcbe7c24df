/** What must not change the set of labels that a model gives a text, and what it must answer at all. */
import { decide } from '../../../inference/labels-above.ts';
import type { TextModel } from '../../../inference/text-model.ts';
import type { GateExample } from '../../contract/examples.ts';
import type { EvaluateModelInput } from '../../contract/validation.ts';
import type { StepContext } from '../../step.ts';
import { checkEdgeInputs, measureFlips } from '../behaviour.ts';
import { identityGate } from '../counterfactuals.ts';
import { EDITED_ROWS, IDENTITY_ROWS } from '../diagnose.ts';
import { sharesProblem } from '../edge-inputs.ts';
import { awkwardFor } from '../examine-texts.ts';
import { editedExamples } from '../gate-examples.ts';
import { noiseFlips } from '../invariance.ts';
import { paraphraseFlips } from '../paraphrases.ts';
import { sampleIndices, seededRandom } from '../random.ts';
import { setNumbers } from './decisions.ts';
import type { Answers } from './examine.ts';

const FLIP_ROWS = 500;

interface Asked {
  readonly model: TextModel;
  readonly labels: readonly string[];
  readonly thresholds: readonly number[];
  readonly test: Pick<Answers, 'ids' | 'texts' | 'predicted'>;
}

export async function disturb(
  { seed }: Pick<EvaluateModelInput, 'seed'>,
  context: Pick<StepContext, 'signal' | 'progress'>,
  { model, labels, thresholds, test }: Asked,
) {
  const { signal } = context;
  const number = setNumbers();
  const numbers = (decided: Uint8Array) => number(decided, labels.length);
  const decideSets = (probabilities: Float32Array): Int32Array => numbers(decide(probabilities, thresholds));
  const predicted = numbers(test.predicted);
  const chosen = (most: number, stream?: number) => sampleIndices(test.texts.length, most, seededRandom(seed, stream));
  context.progress({ phase: 'edge inputs' });
  const edgeInputs = await checkEdgeInputs(model, labels.length, signal, awkwardFor(model), sharesProblem);
  const edited = chosen(FLIP_ROWS);
  const flips = await measureFlips(
    model,
    edited.map((row) => test.texts[row]!),
    Int32Array.from(edited, (row) => predicted[row]!),
    labels.length,
    {
      signal,
      decide: decideSets,
      onProgress: (done, total) => context.progress({ phase: 'harmless edits', done, total }),
    },
  );
  const asked = { model, classes: labels.length, decide: decideSets, seed, signal };
  const places = chosen(EDITED_ROWS, 15);
  const texts = places.map((row) => test.texts[row]!);
  context.progress({ phase: 'typos' });
  const decided = Int32Array.from(places, (row) => predicted[row]!);
  const noise = await noiseFlips(asked, texts, decided);
  context.progress({ phase: 'other words' });
  const paraphrases = await paraphraseFlips(asked, texts, decided);
  context.progress({ phase: 'identities' });
  const identities = await identityGate(
    asked,
    { ids: test.ids, texts: test.texts, predicted },
    places.slice(0, IDENTITY_ROWS),
  );
  const examplesOf = (found: Pick<typeof flips, 'changed'>, rows: readonly number[]): readonly GateExample[] =>
    editedExamples(
      found.changed,
      rows.map((row) => test.ids[row]!),
      rows.map((row) => test.texts[row]!),
    );
  const invariance = {
    measures: {
      noiseFlips: noise.score,
      paraphraseFlips: paraphrases.score,
      identityFlips: identities.score,
    },
    diagnosis: {
      noise: [...noise.byEdit, ...paraphrases.byEdit],
      identities: identities.byFamily,
      swaps: identities.swaps,
    },
    examples: {
      flipRate: examplesOf(flips, edited),
      noiseFlips: examplesOf(noise, places),
      paraphraseFlips: examplesOf(paraphrases, places),
      identityFlips: editedExamples(identities.changed, test.ids, test.texts),
    },
  };
  return { edgeInputs, flips, invariance };
}
