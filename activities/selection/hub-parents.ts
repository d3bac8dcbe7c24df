/** The terms of the models that a model of the Hub was made of, and of theirs: what the Hub says of them today. */
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Parent } from '../../pipelines/licence/decision.ts';
import { readCard } from '../../pipelines/licence/card.ts';
import { termsOf } from '../../pipelines/licence/model-terms.ts';
import { parseModelSource } from '../../pipelines/sources.ts';
import { fetchProcess, type FetchOptions } from '../fetch-process.ts';
import { hubTerms } from './hub-terms.ts';

/** Real lineages have a handful; what is beyond is unknown, which is for a person. */
const MAX_PARENTS = 16;
const MAX_DEPTH = 6;

/**
 * Each parent named in the card, with its own. One that is missing, gated, out of reach or named in a circle has unknown
 * terms (null); it never fails for one.
 */
export async function hubParents(
  card: string | null,
  workDir: string,
  options: FetchOptions,
): Promise<readonly Parent[]> {
  const seen = new Set<string>();
  const parentsOf = async (text: string | null, depth: number): Promise<readonly Parent[]> => {
    const parents: Parent[] = [];
    for (const model of readCard(text ?? '').baseModels) {
      const repeated = seen.has(model) || seen.size >= MAX_PARENTS || depth >= MAX_DEPTH;
      if (!repeated) seen.add(model);
      parents.push({ model, terms: repeated ? null : await termsOfParent(model, depth) });
    }
    return parents;
  };
  const termsOfParent = async (model: string, depth: number): Promise<Parent['terms']> => {
    try {
      const source = parseModelSource(`hf:${model}`);
      if (source.kind !== 'hf') return null;
      const repo = source.repository;
      const { commit, files } = await fetchProcess('hub-resolve', { repo, revision: source.revision }, options);
      const found = await hubTerms({ repo, commit, files }, join(workDir, `parent-${seen.size}`), options);
      return termsOf({ ...found, parents: await parentsOf(found.card, depth + 1) });
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof EspalierError) return null;
      throw error;
    }
  };
  return parentsOf(card, 0);
}
