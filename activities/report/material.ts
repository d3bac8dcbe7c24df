/** What a report shows besides the run's facts: read from the store, and kept beside the facts for machines. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { RunFacts } from '../contract/evidence.ts';
import type { GeneratorEvaluation } from '../contract/prompting.ts';
import type { TrainingHistory } from '../contract/training.ts';
import type { StepContext } from '../step.ts';
import { readAnswers } from '../privacy/dossier/answers.ts';
import { runDossier, type Dossier } from '../privacy/dossier/dossier.ts';
import { failedAnswers, type AnswerExample } from './answers.ts';
import { bomSummary, type BomSummary } from './bom.ts';
import { costOf, type Cost } from './cost.ts';
import { examplesOf, type Example } from './examples.ts';
import { readExamples, type ShownExamples } from './gate-examples.ts';
import { measureStored } from './stored.ts';
import { wholeAnswersOf, type WholeAnswers } from './whole-answers.ts';
import { wholeGalleryOf, type WholeGallery } from './whole-gallery.ts';
import { worthOf, type Worth } from './worth.ts';

export interface ReportMaterial {
  /** The training's curves; null before it. */
  readonly history: TrainingHistory | null;
  /** null before the evaluation. */
  readonly examples: readonly Example[] | null;
  /** By gate the inputs that show what it means; missing where nothing was evaluated. */
  readonly gateExamples?: ShownExamples;
  /** Answers of a generator that broke its guidelines; missing where none was evaluated. */
  readonly answers?: readonly AnswerExample[];
  /** null before packaging. */
  readonly bom: BomSummary | null;
  readonly cost: Cost;
  /** What all rows should bring and cost; missing where nobody was tried on a part of them. */
  readonly worth?: Worth;
  /** Of a finder that is a prototype: what the whole gallery should find, take and cost. */
  readonly wholeGallery?: WholeGallery;
  /** Of a generator that is a prototype: what all test prompts should show, and what the whole run takes. */
  readonly wholeAnswers?: WholeAnswers;
  readonly dossier: Dossier;
}

/** Throws NotFound, or what the store throws, where something is gone that the run itself has made. */
export async function readMaterial(
  facts: RunFacts,
  { store, prices }: Pick<StepContext, 'store' | 'prices'>,
): Promise<ReportMaterial> {
  const { training, evaluation, bundle } = facts;
  const generated = facts.generation?.evaluation;
  const gateExamples = await readExamples(facts, store);
  const cost = costOf(facts, await measureStored(facts, store), prices);
  const wholeGallery = wholeGalleryOf(facts, cost);
  const wholeAnswers = wholeAnswersOf(facts, cost);
  return {
    history: training === undefined ? null : await store.getJson<TrainingHistory>(training.history),
    examples: evaluation === undefined ? null : await examplesOf(evaluation.mistakes, await wrongTexts()),
    ...(gateExamples === undefined ? {} : { gateExamples }),
    ...(generated === undefined
      ? {}
      : { answers: await failedAnswers(generated.failures, await answersOf(generated)) }),
    bom: bundle === undefined ? null : await bom(),
    cost,
    ...(facts.prototyped === undefined ? {} : { worth: worthOf(facts.prototyped, cost) }),
    ...(wholeGallery === undefined ? {} : { wholeGallery }),
    ...(wholeAnswers === undefined ? {} : { wholeAnswers }),
    dossier: runDossier(facts, await readAnswers(facts.dossier, store)),
  };

  async function answersOf({ details }: GeneratorEvaluation): Promise<readonly AnswerExample[]> {
    return (await store.getJson<{ readonly answers: readonly AnswerExample[] }>(details)).answers;
  }

  /** The evaluation keeps the texts of the mistakes that it lists. */
  async function wrongTexts(): Promise<ReadonlyMap<string, string>> {
    if (evaluation === undefined || evaluation.mistakes.length === 0) return new Map();
    const { mistakes } = await store.getJson<{ readonly mistakes: readonly { rowId: string; text?: string }[] }>(
      evaluation.details,
    );
    return new Map(mistakes.flatMap(({ rowId, text }) => (text === undefined ? [] : [[rowId, text] as const])));
  }

  async function bom(): Promise<BomSummary | null> {
    if (bundle === undefined) return null;
    const entry = (await store.tree(bundle)).entries.find(({ path }) => path === 'bom.cdx.json');
    if (entry === undefined) {
      throw new EspalierError('BadModel', 'the bundle has no bill of materials', {
        where: bundle.digest,
        fix: 'package the model again',
      });
    }
    return bomSummary(entry.digest, await store.getJson(entry.digest));
  }
}
