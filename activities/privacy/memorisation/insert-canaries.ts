/** Step `privacy.insert-canaries`: part of preparing the texts that a generative model is tuned on. */
import { readFile } from 'node:fs/promises';
import { canonicalJson } from '../../../artifacts/canonical-json.ts';
import { EspalierError } from '../../../artifacts/errors.ts';
import { entryRef } from '../../../artifacts/reference.ts';
import type { StepDefinition } from '../../step.ts';
import { makeCanaries, withCanaries } from './canaries.ts';
import type { InsertCanariesInput, InsertedCanaries } from './types.ts';

/** Only `train.jsonl` gets them: what is measured on the other splits is measured on people's texts alone. */
export const insertCanaries: StepDefinition<InsertCanariesInput, InsertedCanaries> = {
  type: 'privacy.insert-canaries',
  version: 1,
  async run({ dataset, canaries: spec }, { store, signal, progress }) {
    if (spec.count === 0) return { dataset, rowsInserted: 0 };
    progress({ phase: 'inserting canaries' });
    const { entries } = await store.tree(dataset);
    if (entries.some(({ path }) => path === 'canaries.json')) {
      throw new EspalierError('BadData', 'the dataset has canaries already', {
        where: dataset.digest,
        fix: 'insert them into the dataset as it was prepared',
      });
    }
    const text = await readFile(await store.fileInTree(dataset, 'train.jsonl', signal), 'utf8');
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    const canaries = makeCanaries(spec);
    const [train, record] = await Promise.all([
      store.putBytes(
        withCanaries(lines, canaries)
          .map((line) => `${line}\n`)
          .join(''),
        { name: 'train.jsonl', mediaType: 'application/jsonl', signal },
      ),
      store.putBytes(canonicalJson(canaries), { name: 'canaries.json', mediaType: 'application/json', signal }),
    ]);
    const kept = entries
      .filter(({ path }) => path !== 'train.jsonl')
      .map((entry) => ({ path: entry.path, ref: entryRef(entry) }));
    const all = [...kept, { path: 'train.jsonl', ref: train }, { path: 'canaries.json', ref: record }];
    return {
      dataset: await store.putManifest(
        all.toSorted((left, right) => (left.path < right.path ? -1 : 1)),
        'dataset-with-canaries',
      ),
      rowsInserted: spec.count * spec.repeats,
    };
  },
};
