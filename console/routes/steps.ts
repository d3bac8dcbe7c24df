/** One step of a run: why it was or was not reused, and what becomes of it when it is parked. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { explainStep } from '../../client/explain-step.ts';
import { readRunInput } from '../../client/run-input.ts';
import { resolveStep } from '../../client/runs.ts';
import { settingProblems } from '../../pipelines/change.ts';
import { Action, Explained, problems, Step } from '../answers.ts';
import { Comment, SettingsByPath, StepPath } from '../questions.ts';
import type { Services } from '../services.ts';
import { refusedSettings, refuseOutOfReach } from '../settings.ts';

const tags = ['steps'];

export function stepRoutes({ client, pointers }: Services): FastifyPluginCallbackZod {
  return (app, _, done) => {
    app.get(
      '/v1/runs/:run/steps/:step/explain',
      {
        config: { access: 'runs:read' },
        schema: {
          operationId: 'explainStep',
          summary: 'Why a step was or was not reused: which input, environment or code version differed',
          tags,
          params: StepPath,
          response: { 200: Explained, ...problems(400, 404) },
        },
      },
      ({ params: { run, step } }) => explainStep(client, pointers, run, step),
    );

    app.post(
      '/v1/runs/:run/steps/:step/resolve',
      {
        config: { access: 'runs:write' },
        schema: {
          operationId: 'resolveStep',
          summary: 'Retry a parked step, with changed settings where they help, skip it, or abort its run',
          tags,
          params: StepPath,
          body: z.strictObject({ action: Action, settings: SettingsByPath.optional(), comment: Comment }),
          response: { 200: Step, ...problems(400, 404, 409, 413, 415, 422) },
        },
      },
      async ({ params: { run, step }, body: { action, settings, comment }, caller: { user } }) => {
        if (settings !== undefined) {
          refuseOutOfReach(settings);
          const mistakes = settingProblems((await readRunInput(client, run)).input.pipeline, settings);
          if (mistakes.length > 0) throw refusedSettings(mistakes);
        }
        return resolveStep(client, run, {
          step,
          action,
          ...(settings === undefined ? {} : { settings }),
          by: user,
          comment,
        });
      },
    );
    done();
  };
}
