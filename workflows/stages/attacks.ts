import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { AttackMeasures, SquareAttackInput, SquareAttackMeasures } from '../../activities/contract/validation.ts';
import { gradientsAsked, squaresAsked } from '../../pipelines/attack.ts';
import { StepLeftOut } from '../engine.ts';
import type { Run } from '../run.ts';

/** Through the gradients of the model as it was trained, where a gate wants it. */
export async function attackGradients(
  run: Run,
  model: ArtifactRef,
  dataset: ArtifactRef,
): Promise<AttackMeasures | undefined> {
  if (run.pipeline.task !== 'image-classification') return undefined;
  return whereAsked(run, 'attack', gradientsAsked, async () => {
    run.facts.attack = await run.step('cpu', 'attack', 'attackClassifier', () => {
      const { attack, training } = run.definition('image-classification');
      const { queries: _, ...gradients } = attack;
      return { model, dataset, attack: gradients, seed: training.seed, threads: training.threads };
    });
    return run.facts.attack;
  });
}

/** By questions to what is served, where a gate wants it. */
export async function attackServed(
  run: Run,
  served: Pick<SquareAttackInput, 'model' | 'index'>,
  dataset: ArtifactRef,
): Promise<SquareAttackMeasures | undefined> {
  if (run.pipeline.task !== 'image-classification') return undefined;
  return whereAsked(run, 'square-attack', squaresAsked, async () => {
    run.facts.squareAttack = await run.step('cpu', 'square-attack', 'attackBySquares', () => {
      const { attack, training } = run.definition('image-classification');
      const { epsilonLevels, pictures, queries } = attack;
      const { seed, threads } = training;
      return { ...served, dataset, attack: { epsilonLevels, pictures, queries }, seed, threads };
    });
    return run.facts.squareAttack;
  });
}

/** An operator may have switched its gates off by now. What was left out was not measured: that fails a gate that asks for it. */
async function whereAsked<Measures>(
  run: Run,
  step: string,
  isAsked: (gates: unknown) => boolean,
  attack: () => Promise<Measures>,
): Promise<Measures | undefined> {
  if (!isAsked(run.input.pipeline.gates)) return undefined;
  if (!isAsked(run.pipeline.gates)) {
    run.engine.close([step], 'skipped');
    return undefined;
  }
  try {
    return await attack();
  } catch (error) {
    if (error instanceof StepLeftOut) return undefined;
    throw error;
  }
}
