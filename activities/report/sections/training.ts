/** How the model was tuned: the settings in force, the curves, what ran it. */
import { bytes, decimal, digest, percent, significant } from '../format.ts';
import { html } from '../../../artifacts/html.ts';
import { facts } from '../parts.ts';
import type { Section } from '../page.ts';
import { trainingPlots } from '../plots/training.ts';

const EXACT = 'yes: the bytes of a training that nothing disturbed';

export const trainingSection: Section = {
  id: 'training',
  title: 'Fine-tuning',
  body: ({ facts: run, history }) => {
    const { training: trained, exported } = run;
    const spec = run.pipeline.training;
    if (trained === undefined || spec === null) return null;
    const adapters = spec.method === 'lora' ? ` (rank ${spec.lora.rank}, alpha ${spec.lora.alpha})` : '';
    const { device, threads, versions } = trained.environment;
    const unused = exported !== undefined && 'road' in exported && exported.road === 'prompted';
    return html`${unused ? html`<p><strong>Not served</strong> What was tuned here was not chosen: the weights that are served are as they came.</p>` : ''}${facts(
        [
          ['Method', `${spec.method}${adapters}, ${spec.precision}`],
          ['Steps', `${trained.steps}, best epoch ${trained.bestEpoch} of at most ${spec.epochs}`],
          ['Batch', `${spec.batchSize} × ${spec.gradientAccumulation}`],
          [
            'Learning rate',
            `${significant(spec.learningRate)}${'headLearningRate' in spec ? `, head ${significant(spec.headLearningRate)}` : ''}, ${spec.schedule}`,
          ],
          ['Seed', spec.seed],
          ['Training loss', decimal(trained.trainLoss, 3)],
          ['Validation loss', decimal(trained.validationLoss, 3)],
          ['Training accuracy', percent(trained.trainAccuracy)],
          ['Validation accuracy', percent(trained.validationAccuracy)],
          ['Ran on', `${device}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`],
          ['Resumed at steps', trained.resumedAtSteps.length === 0 ? 'never' : trained.resumedAtSteps.join(', ')],
          ...(trained.oomRetries === undefined || trained.oomRetries === 0
            ? []
            : ([
                [
                  'Memory ran out',
                  `${trained.oomRetries} times; micro-batches of ${trained.microBatch} rows in the end`,
                ],
              ] as const)),
          ...(trained.exact === undefined
            ? []
            : ([['Exact', trained.exact.value ? EXACT : `no: ${trained.exact.reasons.join('; ')}`]] as const)),
          ['Tuned model', digest(trained.model.digest)],
          ...(exported === undefined || !('classifier' in exported)
            ? []
            : ([
                ['Exported', html`${bytes(exported.sizeBytes)}, ${digest(exported.classifier.digest)}`],
                ['Export, largest |Δ probability|', significant(exported.parityMaxAbs)],
              ] as const)),
        ],
      )}
      ${(trained.warnings ?? []).map((warning) => html`<p><strong>Warning</strong> ${warning}</p>`)}
      ${history === null ? html`<p class="quiet">The curves could not be read.</p>` : trainingPlots(history, trained)}
      <p class="quiet">
        ${Object.entries(versions)
          .toSorted(([left], [right]) => (left < right ? -1 : 1))
          .map(([name, version]) => `${name} ${version}`)
          .join(' · ')}
      </p>`;
  },
};
