/** Runs: what there is, how far each is, starting one, ending one. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';
import { shownOrFromHistory } from '../../client/run-from-history.ts';
import { cancelRun, listRuns } from '../../client/runs.ts';
import { newRunId, prepareRun, startRun } from '../../client/start-run.ts';
import { withSettings, type Settings } from '../../pipelines/change.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import { pipelineShape, type Pipeline } from '../../pipelines/definition.ts';
import { Cancelled, problems, Run, Started, Summary } from '../answers.ts';
import { NewRunId, RunPath, SettingsByPath } from '../questions.ts';
import type { ServedPipeline, Services } from '../services.ts';
import { refusedSettings, refuseOutOfReach } from '../settings.ts';

const tags = ['runs'];
const PipelineName = pipelineShape.name;

export function runRoutes(services: Services): FastifyPluginCallbackZod {
  const { client, store } = services;
  return (app, _, done) => {
    app.get(
      '/v1/runs',
      {
        config: { access: 'runs:read' },
        schema: {
          operationId: 'listRuns',
          summary: 'Runs, the newest first',
          tags,
          querystring: z.strictObject({
            pipeline: PipelineName.optional(),
            limit: z.coerce.number().int().min(1).max(1000).default(20),
          }),
          response: { 200: z.array(Summary), ...problems(400) },
        },
      },
      ({ query: { pipeline, limit } }) => listRuns(client, { limit, ...(pipeline === undefined ? {} : { pipeline }) }),
    );

    app.get(
      '/v1/runs/:run',
      {
        config: { access: 'runs:read' },
        schema: {
          operationId: 'showRun',
          summary: 'A run: its steps, approvals and report, and how far each running step is',
          tags,
          params: RunPath,
          response: { 200: Run, ...problems(400, 404) },
        },
      },
      ({ params }) => shownOrFromHistory(client, params.run),
    );

    app.post(
      '/v1/runs',
      {
        config: { access: 'runs:write' },
        schema: {
          operationId: 'startRun',
          summary: 'Start a run of one of the pipelines that this console serves',
          tags,
          body: z.strictObject({
            pipeline: PipelineName,
            settings: SettingsByPath.default({}),
            runId: NewRunId.optional(),
            reuse: z.boolean().default(true).describe('false computes every step anew.'),
            onFailure: z.enum(['park', 'fail']).default('park'),
          }),
          response: { 201: Started, ...problems(400, 404, 409, 413, 415, 422) },
        },
      },
      async ({ body, caller: { user } }, reply) => {
        const served = servedPipeline(services.pipelines, body.pipeline);
        const pipeline = withChecked(served, body.settings);
        const prepared = await prepareRun(pipeline, served.folder, store, {
          startedBy: user,
          ...(served.path === undefined ? {} : { definitionPath: served.path }),
          approvers: await services.approvers(),
          reuse: body.reuse,
          onFailure: body.onFailure,
          notify: services.notify ?? false,
        });
        const runId = body.runId ?? newRunId(pipeline.name);
        await startRun(client, prepared, { runId });
        reply.code(201).header('location', `/v1/runs/${encodeURIComponent(runId)}`);
        return { runId, pipeline: pipeline.name, inputs: prepared.digest };
      },
    );

    app.post(
      '/v1/runs/:run/cancel',
      {
        config: { access: 'runs:write' },
        schema: {
          operationId: 'cancelRun',
          summary: 'Ask a run to stop; its finished steps and last checkpoint are kept',
          tags,
          params: RunPath,
          response: { 202: Cancelled, ...problems(400, 404, 409) },
        },
      },
      async ({ params }, reply) => {
        await cancelRun(client, params.run);
        reply.code(202);
        return { runId: params.run, cancelled: true as const };
      },
    );
    done();
  };
}

function servedPipeline(pipelines: readonly ServedPipeline[], name: string): ServedPipeline {
  const found = pipelines.find(({ pipeline }) => pipeline.name === name);
  if (found !== undefined) return found;
  throw new EspalierError('NotFound', `this console serves no pipeline '${name}'`, {
    where: 'pipeline',
    fix: `it serves ${pipelines.map(({ pipeline }) => pipeline.name).join(', ') || 'none'}; it is started with more by --pipeline`,
  });
}

function withChecked({ pipeline, folder }: ServedPipeline, settings: Settings): Pipeline {
  refuseOutOfReach(settings);
  const checked = checkPipeline(withSettings(pipeline, settings), { folder });
  if (!checked.ok) throw refusedSettings(checked.problems);
  return checked.pipeline;
}
