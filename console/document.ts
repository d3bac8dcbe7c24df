/** The OpenAPI 3.1 document, made from the routes' own schemas. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { packageRoot } from '../pipelines/load.ts';

export const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
  version: string;
};

const zodToJsonConfig = {
  // Our types are read-only in TypeScript; in a document the word would mean something else.
  override: ({ jsonSchema }: { jsonSchema: { readOnly?: boolean } }) => void delete jsonSchema.readOnly,
};
const withComponents = createJsonSchemaTransformObject({ zodToJsonConfig });
type Document = ReturnType<typeof withComponents>;

export const DOCUMENT: FastifyDynamicSwaggerOptions = {
  openapi: {
    openapi: '3.1.0',
    info: {
      title: 'Espalier',
      version,
      description: 'Runs, approvals and models. Errors are problem details (RFC 9457).',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    security: [{ token: [] }],
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An API token: `espalier tokens create`.' },
      },
    },
  },
  transform: createJsonSchemaTransform({ zodToJsonConfig }),
  transformObject: (document) => {
    const made = withComponents(document) as Document & { components?: { schemas?: object } };
    // The provider lists every named schema a second time, as an input; ours are answers only.
    const answers = Object.entries(made.components?.schemas ?? {}).filter(([name]) => !name.endsWith('Input'));
    return { ...made, components: { ...made.components, schemas: Object.fromEntries(answers) } } as Document;
  },
};
