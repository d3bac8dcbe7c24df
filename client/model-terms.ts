/** The terms of a model by its name: at its source (`hf:`, `pypi:`, `s3://`), or of what is deployed, from its release's record. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { namedTerms } from '../activities/selection/named-terms.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { ReleaseRecord } from '../artifacts/bundle.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { OpenStore } from '../artifacts/open.ts';
import type { ModelIdentity, ModelTerms } from '../pipelines/licence/decision.ts';
import { termsOf } from '../pipelines/licence/model-terms.ts';
import type { UseFacts } from '../pipelines/licence/use.ts';
import { parseModelSource } from '../pipelines/sources.ts';
import { winnerOf } from '../pipelines/winner.ts';
import { showModel } from './models.ts';
import { findRelease } from './releases.ts';

export interface KnownTerms {
  readonly source: string;
  readonly terms: ModelTerms;
  readonly identity: ModelIdentity;
  readonly sizeBytes: number | null;
  /** What a release was judged for; a name says nothing of a use. */
  readonly use?: UseFacts;
}

/** `hf:`, `pypi:` or `s3://`, and not a folder that happens to be called so. */
export function isSource(name: string): boolean {
  return /^(hf|pypi|s3):/i.test(name);
}

/** @throws EspalierError what `namedTerms` throws */
export async function termsAtSource(
  name: string,
  { python, env }: { readonly python: { executable: string; packages: string }; readonly env: NodeJS.ProcessEnv },
): Promise<KnownTerms> {
  const workDir = await mkdtemp(join(tmpdir(), 'espalier-terms-'));
  try {
    const { source, identity, sources, sizeBytes } = await namedTerms(name, { python, env, workDir });
    const texts = (sources.texts ?? []).map(({ digest }) => digest);
    return { source, terms: termsOf(sources), identity: { ...identity, texts }, sizeBytes };
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

/**
 * Of the model deployed under this name, or of the release behind this digest, as it was recorded when it was approved.
 * @throws EspalierError NotFound when nothing is; what the store throws when it is out of reach
 */
export async function termsOfRelease(
  { store, pointers }: Pick<OpenStore, 'store' | 'pointers'>,
  name: string,
): Promise<KnownTerms> {
  const isDigest = /^(sha256:)?[0-9a-f]{8,64}$/.test(name);
  const { facts, record }: { facts: RunFacts; record: ReleaseRecord } = isDigest
    ? await findRelease(store, pointers, name)
    : await showModel(store, pointers, name).then((shown) => ({ facts: shown.facts, record: shown.releaseRecord }));
  const winner = winnerOf(facts);
  const candidate = facts.pipeline.candidates.find(({ id }) => id === winner?.id);
  const resolved = winner?.resolved;
  if (resolved?.licence.terms === undefined || candidate === undefined) {
    throw new EspalierError('NotFound', `the release of '${name}' does not record its terms`, {
      where: record.runId,
      fix: 'judge its base model by its source: `espalier licence check hf:ORG/NAME@REVISION`',
    });
  }
  const parsed = parseModelSource(candidate.model);
  const served = (await store.tree(record.bundle)).entries.filter(({ path }) => path.startsWith(`${record.model}/1/`));
  return {
    source: `${record.model} (${record.channel}), made of ${resolved.source}`,
    terms: resolved.licence.terms,
    identity: {
      model: parsed.kind === 'hf' ? parsed.repository : resolved.source,
      revision: resolved.revision,
      texts: (resolved.licence.texts ?? []).map(({ digest }) => digest),
    },
    sizeBytes: served.reduce((sum, { size }) => sum + size, 0),
    use: { ...facts.pipeline.intendedUse, derivedName: facts.pipeline.intendedUse.derivedName ?? record.model },
  };
}
