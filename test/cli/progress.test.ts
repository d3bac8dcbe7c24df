import assert from 'node:assert/strict';
import { liveLine, type Screen } from '../../cli/live-line.ts';
import { status, type Followed } from '../../cli/progress.ts';

const NOW = Date.parse('2026-01-01T00:01:00Z');
const TRAINING: Followed = {
  steps: [
    { id: 'data', title: 'check and split the data', state: 'done' },
    { id: 'train', title: 'fine-tune', state: 'running' },
  ],
  progress: {
    train: {
      phase: 'training',
      done: 120,
      total: 480,
      etaSeconds: 93,
      attempt: 2,
      epoch: 3,
      loss: 0.43219,
      learningRate: 4.5e-5,
      samplesPerSecond: 310.4,
      gpuMemoryMb: 3140,
      gpuUtilisation: 0.874,
      lastCheckpointAt: '2026-01-01T00:00:56Z',
      lastCheckpointStep: 110,
      note: 'epoch 3, loss 0.4322, 310 rows/s',
    },
  },
};

describe('the line that says how far a run is', () => {
  it('has step, attempt, time left, epoch, loss, learning rate, speed, checkpoint and GPU of a training', () => {
    assert.equal(
      status(TRAINING, NOW),
      'fine-tune 120/480 · attempt 2 · 1 min 33 s left · epoch 3 · loss 0.432 · lr 4.5e-5 · 310/s · checkpoint 4 s ago · GPU 3.1 GB 87 %',
    );
  });

  it('leaves out whole figures on a narrow terminal, the least important first', () => {
    assert.equal(status(TRAINING, NOW, 77), 'fine-tune 120/480 · attempt 2 · 1 min 33 s left · epoch 3 · loss 0.432');
    assert.equal(status(TRAINING, NOW, 10), 'fine-tune…');
    for (let width = 1; width < 150; width++) assert.ok(status(TRAINING, NOW, width).length <= width, `${width}`);
  });

  it('says what is unknown of a step by leaving it out', () => {
    const steps = [{ id: 'train', title: 'fine-tune', state: 'running' as const }];
    assert.equal(status({ steps, progress: {} }, NOW), 'fine-tune');
    assert.equal(
      status({ steps, progress: { train: { phase: 'fetching model and data', attempt: 1 } } }, NOW),
      'fine-tune: fetching model and data',
    );
    const resumed = { phase: 'training', note: 'resumed at step 12', attempt: 1 };
    assert.equal(status({ steps, progress: { train: resumed } }, NOW), 'fine-tune: training · resumed at step 12');
  });

  it('names everything that runs at once, and shortens the longest first', () => {
    const run: Followed = {
      steps: [...TRAINING.steps, { id: 'approve-review', title: 'approval: review', state: 'waiting' }],
      progress: TRAINING.progress,
    };
    const text = status(run, NOW, 60);
    assert.match(text, /^fine-tune 120\/480 .* {2}\| {2}waiting: approval: review$/);
    assert.ok(text.length <= 60);
  });
});

describe('the live line', () => {
  function screen(isTTY: boolean): Screen & { readonly written: string[]; columns: number } {
    const written: string[] = [];
    return { isTTY, columns: 40, written, write: (text) => written.push(text) };
  }

  it('is redrawn over itself in one write, never wider than the terminal, and erased at the end', () => {
    const out = screen(true);
    let at = 0;
    const live = liveLine(out, () => at);
    const widths: number[] = [];
    const show = (text: string): void => live.show((width) => (widths.push(width), text), 'running');
    show('one');
    at += 1000;
    show('two');
    out.columns = 100;
    at += 1000;
    show('three');
    live.clear();
    assert.equal(out.written.length, 4, 'a write a redraw and one at the end');
    for (const text of out.written.slice(0, 3)) {
      assert.match(text, /^\u001b\[\?7l\r.*\u001b\[K\u001b\[\?7h$/, 'text first, then the rest erased: never empty');
    }
    assert.equal(out.written[3], '\r\u001b[K');
    assert.deepEqual(widths, [37, 37, 97], 'the width is that of the moment');
    live.clear();
    assert.equal(out.written.length, 4, 'nothing to erase twice');
  });

  it('is not redrawn for the same text, nor more than four times a second', () => {
    const out = screen(true);
    let at = 0;
    const live = liveLine(out, () => at);
    for (; at < 10_000; at += 10) live.show(() => `at ${at}`, 'running');
    assert.ok(out.written.length >= 39 && out.written.length <= 40, `${out.written.length} redraws in 10 s`);
    for (; at < 20_000; at += 10) live.show(() => 'the same', 'running');
    assert.ok(out.written.length <= 41);
  });

  it('is a plain line every ten seconds at most where there is no terminal, and at once when the state changes', () => {
    const out = screen(false);
    let at = 0;
    const live = liveLine(out, () => at);
    for (; at < 60_000; at += 500) live.show(() => `step ${at}`, 'running');
    assert.equal(out.written.length, 6);
    for (const line of out.written) assert.match(line, /^ {2}step \d+\n$/);
    at = 51_000;
    live.show(() => 'waiting: approval', 'waiting-for-approval');
    assert.equal(out.written.at(-1), '  waiting: approval\n');
    live.clear();
    assert.equal(out.written.length, 7, 'nothing to erase');
  });
});
