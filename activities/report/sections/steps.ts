/** Every step: how it ended, how long it took, and whether its result was there already. */
import type { StepFact } from '../../contract/evidence.ts';
import { digest, duration, time } from '../format.ts';
import { html } from '../../../artifacts/html.ts';
import { badge, table } from '../parts.ts';
import type { Section } from '../page.ts';

type Kind = Parameters<typeof badge>[0];
const STATES: Readonly<Record<string, Kind>> = {
  done: 'good',
  reused: 'good',
  failed: 'bad',
  parked: 'bad',
  dropped: 'care',
};

export const stepsSection: Section = {
  id: 'steps',
  title: 'Steps',
  body: ({ facts: run }) =>
    run.steps.length === 0
      ? null
      : table(
          'Steps in the order of the plan',
          [
            { title: 'Step', cell: (step: StepFact) => html`${step.title}<small>${step.id}</small>` },
            { title: 'State', cell: (step) => badge(STATES[step.state] ?? 'neutral', step.state) },
            { title: 'Took', numeric: true, cell: (step) => duration(step.startedAt, step.finishedAt) },
            { title: 'Attempt', numeric: true, cell: (step) => step.attempt },
            { title: 'Finished', cell: (step) => (step.finishedAt === undefined ? '' : time(step.finishedAt)) },
            {
              title: 'Result',
              cell: (step) =>
                step.reused === true
                  ? html`reused from <code>${step.computedBy}</code>`
                  : step.state === 'done' && 'computed here',
            },
            { title: 'Key', cell: (step) => digest(step.key) },
          ],
          run.steps,
        ),
};
