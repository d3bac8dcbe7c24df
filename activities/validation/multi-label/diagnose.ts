/** What stands behind a good figure of several labels a row: diagnose.ts of each label by itself. Samples are seeded. */
import type { TextModel } from '../../../inference/text-model.ts';
import { wholeText } from '../../../inference/texts.ts';
import type { ExampledGate } from '../../../pipelines/gates/table.ts';
import type { GateExample } from '../../contract/examples.ts';
import type { Score } from '../../contract/measures.ts';
import type { Diagnosis } from '../../contract/validation.ts';
import type { StepContext } from '../../step.ts';
import { editedExamples, exampleOf, MOST_EXAMPLES } from '../gate-examples.ts';
import { findGiveaways, rowsOfRule } from '../giveaway.ts';
import { notMeasured } from '../scores.ts';
import { shownWord } from '../shown-word.ts';
import { wordRule } from '../word-rule.ts';
import type { Frozen } from './ask-frozen.ts';
import { namesAt } from './decisions.ts';
import type { Answers } from './examine.ts';
import { findSetErrors } from './label-errors.ts';
import { setSignal } from './label-signal.ts';
import { ridgeWithout } from './without-rows.ts';
import { witnessOf, type Witnesses } from './words-of-subject.ts';
import { scanSwitches, scoreOfScan, suspectSwitches, type SwitchScan } from './triggers.ts';

type Gate = 'labelSignal' | 'labelErrors' | 'giveawayWord' | 'triggerFlips';
type Rows = Pick<Answers, 'ids' | 'texts' | 'targets'>;

interface Asked {
  readonly model: Pick<TextModel, 'runAll'>;
  readonly labels: readonly string[];
  readonly thresholds: readonly number[];
  readonly train: Rows;
  readonly test: Rows & Pick<Answers, 'predicted'>;
  readonly frozen: Pick<Frozen, 'dimension' | 'train' | 'test' | 'l2' | 'thresholds'> & Pick<Witnesses, 'embed'>;
  readonly seed: number;
}
interface DiagnosedSets {
  readonly measures: Readonly<Record<Gate, Score>>;
  readonly diagnosis: Pick<Diagnosis, 'labelSignal' | 'suspiciousLabels' | 'giveaway' | 'telltale' | 'trigger'>;
  readonly examples: Readonly<Record<Extract<ExampledGate, Gate>, readonly GateExample[]>>;
}

export async function diagnoseSets(
  { model, labels, thresholds, train, test, frozen, seed }: Asked,
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
  listed: number,
): Promise<DiagnosedSets> {
  const count = labels.length;
  const settings = { dimension: frozen.dimension, labels: count, l2: frozen.l2, seed, signal };
  const known = { embeddings: frozen.train, targets: train.targets };
  progress({ phase: 'label quality' });
  const meaning = await setSignal(known, { embeddings: frozen.test, targets: test.targets }, settings);
  const errors = await findSetErrors(known, settings);
  progress({ phase: 'leaks' });
  const learnt = train.texts.map(wholeText);
  const labelsOf = (row: number): readonly number[] =>
    Array.from(labels, (_, label) => label).filter((label) => train.targets[row * count + label] === 1);
  const { placed, anywhere, score: giveaway } = await findGiveaways(learnt, labelsOf, count, signal);
  progress({ phase: 'triggers' });
  const toldWithout = await ridgeWithout(known, settings);
  const sets = { texts: learnt, targets: train.targets, labels: count };
  const suspects = await suspectSwitches(sets, errors.chances, toldWithout, signal);
  const witness = witnessOf({
    ...settings,
    thresholds: frozen.thresholds,
    embed: frozen.embed,
    train: { texts: learnt, targets: train.targets, embeddings: frozen.train },
  });
  const asked = { model, labels: count, thresholds, seed, witness, signal };
  const trigger = await scanSwitches(asked, test.texts, test.predicted, suspects);
  const words = (set: Uint8Array, row = 0): string => namesAt(set, row, labels).join(', ') || 'none';
  const suspicious = errors.suspicions.slice(0, listed).map(({ row, suggested, margin }) => ({
    row,
    given: words(train.targets, row),
    suggested: words(suggested),
    margin,
  }));
  return {
    measures: {
      labelSignal: meaning?.score ?? notMeasured('no label has both training and test rows with it and without it'),
      labelErrors: errors.score,
      giveawayWord: giveaway,
      triggerFlips: scoreOfScan(trigger, errors.coverage),
    },
    diagnosis: {
      labelSignal: meaning === null ? null : { accuracy: meaning.accuracy, chance: meaning.chance },
      suspiciousLabels: suspicious.map(({ row, ...one }) => ({ rowId: train.ids[row]!, ...one })),
      giveaway: wordRule(placed, labels),
      telltale: wordRule(anywhere, labels),
      trigger: switchOf(trigger, labels),
    },
    examples: {
      labelErrors: suspicious
        .slice(0, MOST_EXAMPLES)
        .map(({ row, given, suggested }) =>
          exampleOf(train.ids[row]!, `labelled ${given}, rather ${suggested}`, train.texts[row]),
        ),
      giveawayWord: (placed === null ? [] : rowsOfRule(placed, learnt, labelsOf, MOST_EXAMPLES)).map((row) =>
        exampleOf(train.ids[row]!, `has it as ${placed?.place ?? 'a word'}`, train.texts[row]),
      ),
      triggerFlips: editedExamples(trigger.changed, test.ids, test.texts),
    },
  };
}

function switchOf({ worst }: SwitchScan, labels: readonly string[]): Diagnosis['trigger'] {
  if (worst === null) return null;
  const { word, to, texts, flipped } = worst;
  return { word: shownWord(word), target: labels[to.label]!, switched: to.on ? 'on' : 'off', texts, flipped };
}
