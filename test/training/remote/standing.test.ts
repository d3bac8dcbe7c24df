import assert from 'node:assert/strict';
import type { WorkerJob } from '../../../activities/training/remote/cluster.ts';
import { judge, MAX_ENDS, type Standing, type Verdict } from '../../../activities/training/remote/standing.ts';

type Seen = Pick<WorkerJob, 'state' | 'reason' | 'hopeless'> | undefined;

const LIMITS = { startMs: 30 * 60_000, hopelessMs: 5 * 60_000 };
const PENDING: Seen = { state: 'pending', reason: 'Unschedulable: 0/3 nodes' };
const HOPELESS: Seen = { state: 'pending', reason: 'ImagePullBackOff', hopeless: true };
const RUNNING: Seen = { state: 'running', reason: '' };
const ENDED: Seen = { state: 'ended', reason: 'exit code 1' };

/** What was seen at which minute, and what is done about it at each. */
function follow(story: readonly (readonly [minute: number, seen: Seen])[]): Verdict[] {
  let standing: Standing = { workerAtMs: 0, ends: 0 };
  return story.map(([minute, seen]) => {
    const judged = judge(standing, seen, minute * 60_000, LIMITS);
    standing = judged.standing;
    return judged.verdict;
  });
}
const last = (story: readonly (readonly [number, Seen])[]): Verdict | undefined => follow(story).at(-1);

describe('the worker of a training on a cluster', () => {
  it('is asked for when there is none, and waited for', () => {
    assert.deepEqual(
      follow([
        [0, undefined],
        [1, PENDING],
        [2, RUNNING],
        [500, RUNNING],
      ]),
      [{ action: 'submit', afterMs: 0 }, { action: 'wait' }, { action: 'wait' }, { action: 'wait' }],
    );
  });

  it('is replaced at once when it is lost after hours, as often as that happens', () => {
    const story = Array.from({ length: 50 }, (_, hour) => [
      [hour * 60, RUNNING],
      [hour * 60 + 59, RUNNING],
      [hour * 60 + 59.5, ENDED],
    ]).flat() as [number, Seen][];
    const ends = follow(story).filter((_, index) => index % 3 === 2);
    assert.deepEqual(new Set(ends.map((one) => JSON.stringify(one))), new Set(['{"action":"submit","afterMs":0}']));
  });

  it('is given up, with what it said, when it ends soon after it began again and again', () => {
    const story = Array.from({ length: MAX_ENDS }, (_, index) => [
      [index, RUNNING],
      [index + 0.5, ENDED],
    ]).flat() as [number, Seen][];
    const verdicts = follow(story).filter((_, index) => index % 2 === 1);
    assert.deepEqual(
      verdicts.slice(0, -1).map((one) => (one.action === 'submit' ? one.afterMs : one.action)),
      [0, 2000, 4000, 8000],
    );
    const end = verdicts.at(-1);
    assert.equal(end?.action, 'give-up');
    assert.match((end as { problem: string }).problem, /5 times in a row.*exit code 1/);
  });

  it('may wait for a place as long as the definition says, counted from the last worker', () => {
    assert.equal(
      last([
        [0, PENDING],
        [29, PENDING],
      ])?.action,
      'wait',
    );
    const end = last([
      [0, PENDING],
      [30, PENDING],
    ]);
    assert.match((end as { problem: string }).problem, /no worker for 30 min: Unschedulable: 0\/3 nodes/);
    assert.equal(
      last([
        [0, PENDING],
        [29, RUNNING],
        [30, ENDED],
        [58, PENDING],
      ])?.action,
      'wait',
    );
    assert.equal(
      last([
        [0, PENDING],
        [29, RUNNING],
        [30, ENDED],
        [59, PENDING],
      ])?.action,
      'give-up',
    );
    // The cluster's own limit ends and renews the job: that is no new beginning.
    assert.equal(
      last([
        [0, PENDING],
        [15, ENDED],
        [16, PENDING],
        [31, PENDING],
      ])?.action,
      'give-up',
    );
  });

  it('may wait for its image for five minutes on end', () => {
    assert.equal(
      last([
        [0, HOPELESS],
        [4, HOPELESS],
        [4.5, PENDING],
        [6, HOPELESS],
        [10, HOPELESS],
      ])?.action,
      'wait',
    );
    const end = last([
      [0, HOPELESS],
      [5, HOPELESS],
    ]);
    assert.match((end as { problem: string }).problem, /cannot start: ImagePullBackOff/);
  });
});
