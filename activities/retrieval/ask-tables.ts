/** The tables of behaviour tests, asked of a model and its index: what is compared is what a picture finds among the first k. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';
import { picturesAsked, labelsNamed, type BehaviourTest } from '../../pipelines/behaviour/table.ts';
import type { BehaviourResult } from '../contract/validation.ts';
import { loadBehaviour } from '../data/behaviour.ts';
import { groupBy } from '../data/group.ts';
import { idOfPacked } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import { tableResult } from '../validation/behaviour-tests.ts';
import { askPictures, notPacked } from '../validation/picture-tables.ts';
import type { SearchedGallery } from './gallery.ts';
import { searchAll } from './similarities.ts';

/** Shares are counts of k: what only rounding tells apart is the same. */
const ROUNDING = 1e-9;

/**
 * One result a table; `[]` where the dataset has none. A test's own pictures, where they are in the gallery, are no answers to it: a
 * variant would find the picture that it was made of, and that one not itself. Throws BadModel for an embedding that is not finite.
 */
export async function askTables(
  model: Pick<ImageModel, 'runPixels' | 'config'>,
  gallery: SearchedGallery,
  { dataset, k }: { readonly dataset: ArtifactRef; readonly k: number },
  context: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<readonly BehaviourResult[]> {
  const { store, signal } = context;
  const tests = await loadBehaviour(store, dataset, signal);
  if (tests.length === 0) return [];
  const { dimension } = model.config;
  const embedded = await askPictures(model, dataset, context, ({ embeddings }, row) =>
    embeddings.slice(row * dimension, (row + 1) * dimension),
  );
  const results: BehaviourResult[] = [];
  for (const [name, ofTable] of groupBy(tests, ({ table }) => table)) {
    const asked = ofTable.map(({ test }) => {
      const own = picturesAsked(test);
      return { test, own, ids: new Set(own.map(idOfPacked)) };
    });
    const queries = asked.flatMap(({ own, ids }) =>
      own.map((picture) => ({ embedding: embedded.get(picture) ?? notPacked(picture), k: k + ids.size })),
    );
    const near = await searchAll(gallery, queries, signal);
    let next = 0;
    const problems = asked.map(({ test, own, ids }) => {
      const others = (matches: readonly Match[]) => matches.filter(({ id }) => !ids.has(id)).slice(0, k);
      return problemOf(test, near.slice(next, (next += own.length)).map(others), k);
    });
    results.push(tableResult(name, ofTable, problems));
  }
  return results;
}

/** Why a test does not hold; null where it does. Shares are of k, or of the gallery where it is smaller. */
function problemOf(
  test: BehaviourTest,
  [first = [], second = []]: readonly (readonly Match[])[],
  k: number,
): string | null {
  if (test.kind === 'minimum-functionality') {
    if ('neighbour' in test) {
      const wanted = idOfPacked(test.neighbour);
      if (first.some(({ id }) => id === wanted)) return null;
      return `does not find ${wanted} among the first ${k}: ${labelsFound(first)}`;
    }
    const lacking = labelsNamed(test).filter((label) => !first.some((match) => match.label === label));
    if (lacking.length === 0) return null;
    return `finds no ${lacking.join(' and no ')} among the first ${k}: ${labelsFound(first)}`;
  }
  if (test.kind === 'directional') {
    const [before, after] = [shareOf(first, test.label), shareOf(second, test.label)];
    const wrongWay = test.mustNot === 'fall' ? before - after : after - before;
    if (wrongWay <= test.by + ROUNDING) return null;
    return `${test.label} among the first ${k} goes from ${shown(before)} to ${shown(after)} and must not ${test.mustNot} by more than ${test.by}`;
  }
  const overlap = 'overlap' in test ? test.overlap : undefined;
  if (overlap === undefined) {
    if (first[0] !== undefined && first[0].id === second[0]?.id) return null;
    return `finds ${named(first[0])} first the one way and ${named(second[0])} the other`;
  }
  const ids = new Set(first.map(({ id }) => id));
  const same = second.filter(({ id }) => ids.has(id)).length / Math.max(first.length, 1);
  if (same >= overlap - ROUNDING) return null;
  return `finds ${shown(same)} of the first ${k} the same way, and must ${overlap}`;
}

function shareOf(found: readonly Match[], label: string): number {
  return found.filter((match) => match.label === label).length / Math.max(found.length, 1);
}

/** The nearest first, each once. */
function labelsFound(found: readonly Match[]): string {
  return [...new Set(found.map(({ label }) => label))].join(', ') || 'nothing';
}

function named(match: Match | undefined): string {
  return match === undefined ? 'nothing' : `${match.label} (${match.id})`;
}

const shown = (share: number): string => share.toFixed(2);
