/** What is deployed. */
import type { FastifyPluginCallbackZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { listModels, showModel } from '../../client/models.ts';
import { pipelineShape } from '../../pipelines/definition.ts';
import { Model, problems, ShownModel } from '../answers.ts';
import type { Services } from '../services.ts';

const tags = ['models'];
const { model: ModelName, channel: Channel } = pipelineShape.deploy.shape;

export function modelRoutes({ store, pointers }: Services): FastifyPluginCallbackZod {
  return (app, _, done) => {
    app.get(
      '/v1/models',
      {
        config: { access: 'models:read' },
        schema: {
          operationId: 'listModels',
          summary: 'Every model and channel that serves, with its last drift report and a broken glass',
          tags,
          response: { 200: z.array(Model), ...problems() },
        },
      },
      () => listModels(store, pointers),
    );

    app.get(
      '/v1/models/:model',
      {
        config: { access: 'models:read' },
        schema: {
          operationId: 'showModel',
          summary: 'A deployed model, why it may be served, and its whole lineage',
          tags,
          params: z.object({ model: ModelName }),
          querystring: z.strictObject({ channel: Channel }),
          response: { 200: ShownModel, ...problems(400, 404) },
        },
      },
      ({ params, query }) => showModel(store, pointers, params.model, query.channel),
    );
    done();
  };
}
