import assert from 'node:assert/strict';
import { quietestPass } from '../../activities/selection/quietest-pass.ts';

/** Texts of different lengths: each takes as many milliseconds as its place says. */
const pass = Array.from({ length: 100 }, (_, place) => 1 + place / 100);

describe('the time that a model takes on a machine that does other work', () => {
  it('is that of the pass which was disturbed least', () => {
    const disturbed = pass.map((time, place) => (place % 5 === 0 ? time + 40 : time));
    const { p50Ms, p95Ms, meanMs } = quietestPass([...disturbed, ...pass, ...disturbed], 100);
    // numpy 2.4.6: percentile of the undisturbed pass.
    assert.ok(Math.abs(p50Ms - 1.495) < 1e-9 && Math.abs(p95Ms - 1.9405) < 1e-9 && Math.abs(meanMs - 1.495) < 1e-9);
    assert.ok(quietestPass([...disturbed, ...disturbed], 100).p95Ms > 40, 'what never is quiet is not called quick');
  });

  it('is not that of the short texts alone: every pass asks all of them', () => {
    // Two and a half passes, and the half has the quick ones.
    assert.equal(quietestPass([...pass, ...pass, ...pass.slice(0, 50)], 100).p95Ms, quietestPass(pass, 100).p95Ms);
    assert.ok(quietestPass(pass.slice(0, 50), 100).p95Ms < quietestPass(pass, 100).p95Ms);
  });

  it('is of all runs where they are too few for two passes, and asks few inputs several times a pass', () => {
    const slow = Array.from({ length: 150 }, (_, run) => (run < 75 ? 50 : 100));
    assert.equal(quietestPass(slow, 100).p95Ms, 100);
    assert.equal(quietestPass(slow, 1).p95Ms, 100);
    // 200 runs of one input are two passes of a hundred.
    assert.equal(quietestPass([...slow.slice(0, 75), ...slow.slice(0, 25), ...pass.map(() => 100)], 1).p95Ms, 50);
    assert.equal(quietestPass([7], 200).p95Ms, 7);
  });
});
