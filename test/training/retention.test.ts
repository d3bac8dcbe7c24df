import assert from 'node:assert/strict';
import {
  withCheckpoint,
  withLog,
  withWarning,
  type CheckpointPointer,
  type SavedCheckpoint,
} from '../../activities/training/checkpoints.ts';
import { retain } from '../../activities/training/retention.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { TREE_MEDIA_TYPE, type ArtifactRef } from '../../artifacts/reference.ts';

const tree = (name: string): ArtifactRef => ({
  digest: digestBytes(name),
  mediaType: TREE_MEDIA_TYPE,
  size: 1,
  name,
});
const saved = (step: number, validationLoss?: number): SavedCheckpoint => ({
  step,
  tree: tree(`tree ${step}`),
  ...(validationLoss === undefined ? {} : { validationLoss }),
});
const pointer = (parts: Partial<CheckpointPointer> = {}): CheckpointPointer => ({
  version: 1,
  term: 1,
  runId: 'run-a',
  attempt: 1,
  held: true,
  renewedAt: '2026-01-01T00:00:00Z',
  checkpoints: [],
  resumedAtSteps: [],
  ...parts,
});
const steps = (checkpoints: readonly SavedCheckpoint[]) => checkpoints.map(({ step }) => step);

describe('the retention of checkpoints', () => {
  const all = [saved(5, 0.5), saved(4, 0.3), saved(3), saved(2, 0.1), saved(1, 0.2)];
  for (const [keepLast, keepBest, kept] of [
    [1, 0, [5]],
    [2, 0, [5, 4]],
    [2, 1, [5, 4, 2]],
    [1, 2, [5, 2, 1]],
    [9, 9, [5, 4, 3, 2, 1]],
  ] as const) {
    it(`keeps ${kept.join(', ')} for the last ${keepLast} and the best ${keepBest}`, () =>
      assert.deepEqual(steps(retain(all, { keepLast, keepBest })), kept));
  }

  it('lets go what was found unusable as soon as there is a new one, and remembers what it let go', () => {
    const before = pointer({ checkpoints: [saved(9), saved(8)] });
    const unusable = new Set([tree('tree 9').digest]);
    const after = withCheckpoint(before, saved(3), { keepLast: 2, keepBest: 0 }, unusable, 'now');
    assert.deepEqual(steps(after.checkpoints), [3, 8]);
    assert.deepEqual(after.superseded, [{ tree: tree('tree 9').digest, at: 'now' }]);
  });

  it('gives the same when it is applied again', () => {
    const policy = { keepLast: 2, keepBest: 0 };
    const once = { ...pointer(), ...withCheckpoint(pointer(), saved(1), policy, new Set(), 'now') };
    assert.deepEqual(withCheckpoint(once, saved(1), policy, new Set(), 'now'), {
      checkpoints: once.checkpoints,
      superseded: once.superseded,
    });
  });

  it('keeps a warning once, and the first fifty', () => {
    let value = pointer();
    for (let number = 0; number < 120; number++) value = { ...value, ...withWarning(value, `warning ${number % 60}`) };
    assert.deepEqual(
      [value.warnings?.length, value.warnings?.[0], value.warnings?.at(-1)],
      [50, 'warning 0', 'warning 49'],
    );
  });

  it('keeps one log a term, the newest, in the order of the attempts', () => {
    const log = (name: string) => ({ runId: 'run-a', attempt: 1, log: tree(name) });
    const first = { ...pointer(), ...withLog(pointer(), log('a')) };
    const again = { ...first, ...withLog(first, log('b')) };
    const second = { ...again, term: 2, ...withLog({ ...again, term: 2 }, log('c')) };
    assert.deepEqual(
      second.logs?.map((kept) => kept.log.name),
      ['b', 'c'],
    );
  });
});
