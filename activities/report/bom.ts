/** The bundle's bill of materials in a few lines: what an approver wants to know of it. Pure. */
import { z } from 'zod';
import type { Digest } from '../../artifacts/reference.ts';

export interface BomSummary {
  readonly digest: Digest;
  readonly specVersion: string;
  readonly serialNumber: string;
  /** The model, what it was made from, and the data that it learnt. */
  readonly parts: readonly {
    readonly what: 'model' | 'base model' | 'data set';
    readonly name: string;
    readonly version: string;
    readonly declared: readonly string[];
    readonly concluded: readonly string[];
    readonly files: number;
  }[];
  readonly hyperparameters: readonly (readonly [name: string, value: string])[];
  readonly metrics: number;
}

const Component = z.looseObject({
  name: z.string(),
  version: z.string().default('not stated'),
  licenses: z
    .array(
      z.looseObject({
        license: z.looseObject({
          id: z.string().optional(),
          name: z.string().optional(),
          acknowledgement: z.enum(['declared', 'concluded']).optional(),
        }),
      }),
    )
    .default([]),
  components: z.array(z.unknown()).default([]),
  properties: z.array(z.looseObject({ name: z.string(), value: z.string() })).default([]),
});

const BomSchema = z.looseObject({
  specVersion: z.string(),
  serialNumber: z.string(),
  metadata: z.looseObject({
    component: Component.extend({
      pedigree: z.looseObject({ ancestors: z.array(Component).default([]) }),
      modelCard: z.looseObject({
        quantitativeAnalysis: z.looseObject({ performanceMetrics: z.array(z.unknown()).default([]) }),
      }),
    }),
  }),
  components: z.array(Component).default([]),
});

const TRAINING = 'espalier:training:';

/** Throws zod's error for a document that is no bill of materials of ours. */
export function bomSummary(digest: Digest, document: unknown): BomSummary {
  const { specVersion, serialNumber, metadata, components } = BomSchema.parse(document);
  const model = metadata.component;
  const part = (what: BomSummary['parts'][number]['what']) => (component: z.output<typeof Component>) => ({
    what,
    name: component.name,
    version: component.version,
    declared: licences(component, 'declared'),
    concluded: licences(component, 'concluded'),
    files: component.components.length,
  });
  return {
    digest,
    specVersion,
    serialNumber,
    parts: [
      part('model')(model),
      ...model.pedigree.ancestors.map(part('base model')),
      ...components.map(part('data set')),
    ],
    hyperparameters: model.properties
      .filter(({ name }) => name.startsWith(TRAINING))
      .map(({ name, value }) => [name.slice(TRAINING.length), value] as const),
    metrics: model.modelCard.quantitativeAnalysis.performanceMetrics.length,
  };
}

function licences({ licenses }: z.output<typeof Component>, said: 'declared' | 'concluded'): readonly string[] {
  return licenses.flatMap(({ license }) =>
    license.acknowledgement === said ? (license.id ?? license.name ?? []) : [],
  );
}
