import assert from 'node:assert/strict';
import type { ReportInput } from '../../activities/report/page.ts';
import { frame } from '../../activities/report/page.ts';
import { searchSection } from '../../activities/report/sections/search.ts';
import { chooseSettings } from '../../activities/selection/choosing-settings.ts';
import { sampleFacts } from '../support/facts.ts';

describe('the page on a search for settings', () => {
  const result = (candidate: string, accuracy: number | null, seed = 7) => ({
    candidate,
    rung: 1,
    seed,
    trainRows: 1200,
    validationRows: 400,
    accuracy,
    seconds: accuracy === null ? null : 30,
    ...(accuracy === null ? { error: 'out of <memory>' } : {}),
  });
  const searched = chooseSettings({
    recommended: [{ path: 'training.learningRate', value: 1e-4, reason: '22 million parameters' }],
    trials: [
      { id: 'trial-1', settings: { learningRate: 1e-4 } },
      { id: 'trial-2', settings: { learningRate: 3.1e-4 } },
      { id: 'trial-3', settings: { learningRate: 2e-5 } },
    ],
    results: [result('trial-1', 0.8), result('trial-2', 0.85), result('trial-2', 0.87, 8), result('trial-3', null)],
    left: [],
    stopped: 'the time budget of 1h had ended',
  });
  const pageOf = (facts: ReportInput['facts']) => searchSection.body({ facts } as ReportInput);

  it('says what was tried, what it measured, why the chosen settings, and why it ended early', () => {
    const body = pageOf({ ...sampleFacts, searched });
    const page = frame(searchSection, body).markup.replaceAll(/\s+/g, ' ');
    const words = page.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ');
    assert.match(words, /trial-2 has 86\.0 % .* mean of 2 seeds .* against 80\.0 %/);
    assert.match(words, /trial-2 ✓ chosen learningRate 3\.1e-4|trial-2 ✓ chosen learningRate 0\.00031/);
    assert.match(words, /1 200 rows: 86\.0 % \(2 seeds: 85\.0 %, 87\.0 %\) 1 min 0 s/);
    assert.match(words, /It ended early: the time budget of 1h had ended/);
    assert.match(words, /It failed on rung 1: out of &lt;memory&gt;/);
    assert.ok(!page.includes('<memory>'));
  });

  it('is not there where nothing was searched', () => {
    assert.equal(pageOf(sampleFacts), null);
  });
});
