import type { ArtifactRef } from '../../artifacts/reference.ts';
import type {
  AttackMeasures,
  GradientAttackInput,
  SquareAttackInput,
  SquareAttackMeasures,
} from '../../activities/contract/validation.ts';
import { gradientsAsked, squaresAsked } from '../../pipelines/attack.ts';
import type { ImageClassification, ImageRetrieval } from '../../pipelines/definition.ts';
import { StepLeftOut } from '../failures.ts';
import type { Run } from '../run.ts';

/** The model, and the index that it asks where pictures are found. */
interface Attacked {
  readonly model: ArtifactRef;
  readonly index?: ArtifactRef;
}

/** Every attack that a gate of the run asks for, one after the other. `weights`: as it was trained, or came; `served`: its graph. */
export async function attacks(
  run: Run,
  {
    weights,
    served,
    ...index
  }: { readonly weights: ArtifactRef; readonly served: ArtifactRef; readonly index?: ArtifactRef },
  dataset: ArtifactRef,
): Promise<Partial<AttackMeasures['measures'] & SquareAttackMeasures['measures']>> {
  const byGradients = await attackGradients(run, { model: weights, ...index }, dataset);
  const byQuestions = await attackServed(run, { model: served, ...index }, dataset);
  return { ...byGradients?.measures, ...byQuestions?.measures };
}

function attackGradients(run: Run, attacked: Attacked, dataset: ArtifactRef): Promise<AttackMeasures | undefined> {
  return whereAsked(run, 'attack', gradientsAsked, async (definition) => {
    run.facts.attack = await run.step('cpu', 'attack', 'attackGradients', (): GradientAttackInput => {
      const { queries: _, ...attack } = definition().attack;
      return { ...attacked, dataset, attack, ...means(definition()) };
    });
    return run.facts.attack;
  });
}

function attackServed(run: Run, attacked: Attacked, dataset: ArtifactRef): Promise<SquareAttackMeasures | undefined> {
  return whereAsked(run, 'square-attack', squaresAsked, async (definition) => {
    run.facts.squareAttack = await run.step('cpu', 'square-attack', 'attackBySquares', (): SquareAttackInput => {
      const { epsilonLevels, pictures, queries } = definition().attack;
      return { ...attacked, dataset, attack: { epsilonLevels, pictures, queries }, ...means(definition()) };
    });
    return run.facts.squareAttack;
  });
}

type OfPictures = ImageClassification | ImageRetrieval;

/** Seed and threads; of an encoder that is served as it came there is no training to say them. */
function means(definition: OfPictures): { readonly seed: number; readonly threads: number } {
  const { seed, threads } = definition.training ?? { seed: definition.selection.seed, threads: 1 };
  return { seed, threads };
}

/** An operator may have switched its gates off by now. What was left out was not measured: that fails a gate that asks for it. */
async function whereAsked<Measures>(
  run: Run,
  step: string,
  isAsked: (gates: unknown) => boolean,
  attack: (definition: () => OfPictures) => Promise<Measures>,
): Promise<Measures | undefined> {
  const { task } = run.pipeline;
  if (task !== 'image-classification' && task !== 'image-retrieval') return undefined;
  if (!isAsked(run.input.pipeline.gates)) return undefined;
  if (!isAsked(run.pipeline.gates)) {
    run.engine.close([step], 'skipped');
    return undefined;
  }
  try {
    return await attack(() => run.definition(task));
  } catch (error) {
    if (error instanceof StepLeftOut) return undefined;
    throw error;
  }
}
