import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { domainShift } from '../../activities/generation/domain-shift.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';

const { signal } = new AbortController();
const gate = GENERATION_GATE_TABLE.domainShift;
const verdict = (score: Parameters<typeof judgeGate>[2]) =>
  judgeGate('domainShift', gate, score, { max: gate.threshold, severity: gate.severity }).verdict;
const THINGS = ['parcel', 'order', 'invoice', 'refund', 'lamp', 'chair', 'table'];
const DAYS = ['Monday', 'Tuesday', 'Friday', 'Sunday', 'today'];
const shop = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `shop ${from + at}`,
    prompt: `Where is my ${THINGS[(3 * (from + at)) % 7]} of ${DAYS[(from + at) % 5]}?`,
  }));
const station = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `station ${at}`,
    prompt: `Book a train to ${['Paris', 'Rome', 'Oslo'][at % 3]} at ${at % 12} o'clock`,
  }));

describe('test prompts against training prompts', () => {
  it('are not told apart where they are alike, and are where they come from elsewhere, with those that tell', async () => {
    const alike = await domainShift(shop(0, 200), shop(200, 80), { seed: 7, signal });
    equal(verdict(alike.score), 'pass');
    ok((alike.score.interval?.low ?? 1) < 0.5, JSON.stringify(alike.score));
    const other = await domainShift(shop(0, 200), station(80), { seed: 7, signal });
    // Fewer than two hundred of a side are each told in turn; of more, half by the other half.
    deepEqual([other.score.value, other.score.rows, verdict(other.score)], [1, 160, 'warn']);
    const many = await domainShift(shop(0, 300), station(220), { seed: 7, signal });
    deepEqual([many.score.value, many.score.rows], [1, 220]);
    equal(other.examples.length, 5);
    match(other.examples[0]?.text ?? '', /^Book a train/);
    equal(other.examples[0]?.note, 'told from training prompts');
    deepEqual(await domainShift(shop(0, 200), station(80), { seed: 7, signal }), other);
  });

  it('are not compared where there are fewer than twenty of either, nor after the run is cancelled', async () => {
    const few = await domainShift(shop(0, 200), station(19), { seed: 7, signal });
    deepEqual([verdict(few.score), few.examples], ['off', []]);
    match(few.score.notApplicable ?? '', /19 rows are too few/);
    const long = Array.from({ length: 400 }, (_, at) => ({ id: `row ${at}`, prompt: 'a word '.repeat(600) }));
    const stop = new AbortController();
    const running = domainShift(long, long, { seed: 7, signal: stop.signal });
    stop.abort(new Error('cancelled'));
    await rejects(running, /cancelled/);
  });
});
