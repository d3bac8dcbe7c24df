/** How a released bundle came to be, as SLSA provenance v1 (https://slsa.dev/spec/v1.0/provenance). Pure: all of it is in the run's facts. */
import { STATEMENT_TYPE, type Statement } from '../../artifacts/dsse.ts';
import { hexOf, type ArtifactRef, type Digest, type TreeManifest } from '../../artifacts/reference.ts';
import { subjectOf } from '../../artifacts/signed-release.ts';
import { winnerOf } from '../../pipelines/winner.ts';
import type { RunFacts } from '../contract/evidence.ts';

const PREDICATE_TYPE = 'https://slsa.dev/provenance/v1';
const BUILD_TYPE = 'urn:espalier:run-pipeline:v1';
const BUILDER = 'urn:espalier:worker';

export function slsaProvenance(
  facts: RunFacts,
  model: string,
  bundle: Digest,
  trees: { readonly base: TreeManifest; readonly dataset: TreeManifest },
): Statement {
  const { run, pipeline, definition, changes = [], training, data } = facts;
  const winner = winnerOf(facts);
  return {
    _type: STATEMENT_TYPE,
    subject: subjectOf(model, bundle),
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          pipeline: pipeline.name,
          definition: descriptor('definition', definition),
          changes,
          trigger: run.trigger,
        },
        internalParameters: {
          steps: facts.steps.flatMap(({ id, key, computedBy }) => (key === undefined ? [] : [{ id, key, computedBy }])),
          environment: training?.environment ?? null,
          ...indexOf(facts),
        },
        resolvedDependencies: [
          ...tree('base-model', winner?.imported?.model, trees.base, {
            source: winner?.resolved?.source ?? null,
            revision: winner?.resolved?.revision ?? null,
          }),
          ...tree('dataset', data?.dataset, trees.dataset, {
            source: pipeline.data.source,
            licence: pipeline.data.licence,
          }),
        ],
      },
      runDetails: {
        builder: { id: BUILDER, ...(training === undefined ? {} : { version: training.environment.versions }) },
        metadata: {
          invocationId: run.id,
          startedOn: run.startedAt,
          finishedOn: facts.steps.find(({ id }) => id === 'package')?.finishedAt,
        },
      },
    },
  };
}

/** Of a model that finds pictures: what it looks up, made in the run of the dataset's train split, and served in the bundle. */
function indexOf({ exported }: RunFacts) {
  if (exported === undefined || !('index' in exported)) return {};
  const { index, rows, dimension, search } = exported;
  return { index: { ...descriptor('index', index), annotations: { split: 'train', rows, dimension, search } } };
}

/** A tree and every file in it, as SLSA's resource descriptors. */
function tree(
  name: string,
  ref: ArtifactRef | undefined,
  { entries }: TreeManifest,
  annotations: Readonly<Record<string, string | null>>,
) {
  if (ref === undefined) return [];
  return [
    { ...descriptor(name, ref), annotations },
    ...entries.map(({ path, digest }) => descriptor(`${name}/${path}`, { digest })),
  ];
}

function descriptor(name: string, { digest }: { readonly digest: Digest }) {
  return { name, digest: { sha256: hexOf(digest) } };
}
