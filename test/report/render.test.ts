import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { renderReport } from '../../activities/report/render.ts';
import { sampleFacts, sampleHistory, sampleMaterial } from '../support/facts.ts';
import { render, wordsOf } from '../support/report-page.ts';

const sectionsOf = (page: string) => [...page.matchAll(/<section id="([\w-]+)"/g)].map(([, id]) => id);

const {
  evaluation,
  gates,
  training,
  bundle,
  deployment,
  exported,
  outcome,
  candidates,
  selection,
  data,
  privacy,
  production,
  comparison,
  ...begun
} = sampleFacts;
assert.ok(
  evaluation &&
    gates &&
    training &&
    bundle &&
    deployment &&
    exported &&
    outcome &&
    candidates &&
    selection &&
    data &&
    privacy &&
    production &&
    comparison?.comparable,
);

describe('the report', () => {
  it('shows what operators decided about failed steps and which settings they changed, as text', () => {
    const at = '2026-03-01T09:00:00.000Z';
    const page = render({
      ...sampleFacts,
      resolutions: [
        {
          step: 'train',
          action: 'retry',
          settings: { 'training.learningRate': 0.00001 },
          by: 'olga',
          comment: '<b>too hot</b>',
          error: 'loss is NaN at step 12',
          at,
        },
        { step: 'monitor', action: 'skip', by: 'omar', comment: '', error: 'no schedule', at },
      ],
      changes: [{ path: 'training.learningRate', from: 0.00005, to: 0.00001, step: 'train', by: 'olga', at }],
    });
    const words = wordsOf(page);
    assert.match(words, /Operator decisions/);
    assert.match(words, /train loss is NaN at step 12 \S+ retry olga .*too hot/);
    assert.match(words, /monitor no schedule \S+ skip omar/);
    assert.match(words, /training\.learningRate 0\.00005 0\.00001 train olga/);
    const change = { path: 'training.epochs', from: 3, to: 5, step: 'train', by: 'olga', at, run: 'run-1' };
    assert.match(wordsOf(render({ ...sampleFacts, changes: [change] })), /training\.epochs 3 5 train of run-1 olga/);
    assert.ok(!page.includes('<b>too hot'), 'a comment is text');
    assert.ok(!wordsOf(render(sampleFacts)).includes('Operator decisions'), 'a run without any shows none');
  });

  it('shows every section of a finished run, in the reader’s order', () => {
    assert.deepEqual(sectionsOf(render(sampleFacts)), [
      'run',
      'gates',
      'comparison',
      'evaluation',
      'diagnosis',
      'candidates',
      'licences',
      'data',
      'privacy',
      'training',
      'dossier',
      'bom',
      'approvals',
      'deployment',
      'lineage',
      'cost',
      'steps',
    ]);
  });

  it('says the outcome, the decision and the numbers that led to it', () => {
    const words = wordsOf(render(sampleFacts));
    for (const expected of [
      'support-intents: deployed',
      'no gate failed and both approvals were given',
      'Chosen candidate: minilm-l6',
      'Accuracy ✓ pass 89.4 % 84.4 % to 94.4 % 84.4 % at least 75.0 %',
      'Gain over the frozen probe ✓ pass 4.3 points −0.7 points to 9.9 points',
      'Labels flipped by harmless edits ! warn 11.3 %',
      'minilm-l6 ✓ chosen 1 85.1 %',
      'minilm-l6, frozen (probe) 2 85.1 %',
      'minilm-l6, frozen (probe) – to be beaten what tuning must beat',
      'minilm-l3 – not chosen 5.7 points behind minilm-l6',
      'minilm-l12 ✗ dropped out optional, and its source could not be reached NetworkUnavailable: the hub could not be reached Way out: set HF_ENDPOINT to a mirror',
      'duplicate 5 empty-text 2',
      'messages.csv:317',
      'E-mail address 5 4 3 1 0',
      'grace (legal) fills the seat legal 2026-03-02 09:32:30 UTC both licences allow it',
      'reused from support-intents/earlier',
      '1 min 11 s',
      'refund-request 85.0 % not measured not measured 19',
    ]) {
      assert.ok(words.includes(expected), expected);
    }
  });

  it('names who wrote the definition and edited the policy, also no approver; and which exclusions the definition lifts', () => {
    const hostile = '<img src=x onerror=alert(1)>';
    const { pipeline } = sampleFacts;
    const release = { ...pipeline.approvals.release, liftedExclusions: ['definition-author' as const] };
    const facts: RunFacts = {
      ...sampleFacts,
      pipeline: { ...pipeline, approvals: { ...pipeline.approvals, release } },
      authors: [
        { of: 'definition-author', person: hostile, approvers: [] },
        { of: 'policy-editor', person: 'Lena L.', approvers: ['lena'] },
      ],
      electorate: { ...sampleFacts.electorate, excluded: [{ name: 'olga', because: 'definition-author' }] },
    };
    const page = render(facts, 'release');
    assert.ok(!page.includes(hostile));
    const words = wordsOf(page);
    assert.match(words, /The definition was last edited by &lt;img [^.]*, no approver\./);
    assert.match(words, /The licence policy was last edited by Lena L\., the approver lena\./);
    assert.match(words, /review needs [^]*Left out: olga \(wrote the definition\)\./);
    assert.match(
      words,
      /release needs [^]*Nobody is left out\. The definition lets decide whoever wrote the definition \(olga \(wrote the definition\)\)/,
    );
    const unknown = { ...facts, authors: [{ of: 'policy-editor' as const, person: null, approvers: [] }] };
    assert.match(wordsOf(render(unknown)), /The licence policy is in no repository: who edited it last is not known\./);
  });

  it('gives the reason of every setting that the definition left open, and nothing where it left none', () => {
    const recipe = [
      { path: 'training.epochs', value: 10, reason: '421 training rows: few rows give few steps' },
      { path: 'training.learningRate', value: 1e-4, reason: '22.7 million parameters: a small encoder' },
    ] as const;
    const words = wordsOf(render({ ...sampleFacts, recipe }, 'review'));
    assert.match(words, /Settings that were left open .*training\.epochs 10 421 training rows: few rows/);
    assert.match(
      words,
      /training\.learningRate 1\.0?e-4 22\.7 million parameters|training\.learningRate 0\.0001 22\.7 million/,
    );
    assert.doesNotMatch(wordsOf(render(sampleFacts, 'review')), /Settings that were left open/);
  });

  it('gives the same bytes for the same facts', () => {
    assert.equal(render(sampleFacts), render(structuredClone(sampleFacts)));
  });

  it('leaves out what the run has not reached, and says so', () => {
    const review = { ...begun, candidates, selection, data, privacy, approvals: [] };
    const page = render(review, 'review');
    assert.deepEqual(sectionsOf(page), [
      'run',
      'candidates',
      'licences',
      'data',
      'privacy',
      'dossier',
      'approvals',
      'lineage',
      'cost',
      'steps',
    ]);
    assert.match(
      wordsOf(page),
      /the run has not been there: Gates, Compared with production, Evaluation, Behind the figures, Fine-tuning, Bill of materials, Deployment\./,
    );
    assert.match(wordsOf(page), /evidence for the review.*No decision has been made yet/);
    const bare = render({ ...begun, steps: [], approvals: [] });
    assert.deepEqual(sectionsOf(bare), ['run', 'approvals']);
  });

  it('says "not measured" for null and NaN, and never prints NaN, null, undefined or Infinity', () => {
    const blank = { value: null, interval: null, rows: 0 };
    const broken: RunFacts = {
      ...sampleFacts,
      training: { ...training, trainLoss: null, validationLoss: Number.NaN, validationAccuracy: null },
      evaluation: {
        ...evaluation,
        measures: { ...evaluation.measures, accuracy: blank, latencyP95Ms: { ...blank, value: Number.NaN } },
        latency: { ...evaluation.latency, p50Ms: Number.NaN },
      },
      gates: {
        verdict: 'fail',
        gates: gates.gates.map((gate) => ({ ...gate, verdict: 'fail', measured: null, score: blank })),
      },
      candidates: candidates.map((one) =>
        one.probe === undefined ? one : { ...one, probe: { ...one.probe, linearAccuracy: blank } },
      ),
    };
    const page = renderReport({
      kind: 'final',
      facts: broken,
      ...sampleMaterial(broken),
      history: { steps: [{ step: 1, epoch: 1, loss: Number.NaN, learningRate: 0, gradientNorm: 0 }], epochs: [] },
    });
    assert.doesNotMatch(page, /\b(NaN|null|undefined|Infinity)\b|\[object/);
    assert.equal(page.match(/<tr>(?:(?!<\/tr>).)*✗(?:(?!<\/tr>).)*not measured/gs)?.length, 10);
    assert.doesNotMatch(page, /candidates-plot/);
  });

  describe('with hostile words everywhere', () => {
    const EVIL = `</script></title></style><img src=x onerror="alert('1')"><svg onload=alert(2)>&amp;{{7*7}}\u202e\u0007`;
    const poison = (value: unknown): unknown => {
      if (typeof value === 'string') return /^(sha256:|\d{4}-)/.test(value) ? value : `${value}${EVIL}`;
      if (Array.isArray(value)) return value.map(poison);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value).map(([key, one]) => [key, STRUCTURAL.has(key) ? one : poison(one)]),
      );
    };
    // Closed sets of our own code, checked on entry: the page looks them up.
    const STRUCTURAL = new Set([
      'verdict',
      'name',
      'kind',
      'winner',
      'id',
      'mediaType',
      'direction',
      'labelCounts',
      'labels',
    ]);
    const page = render({
      ...(poison(sampleFacts) as RunFacts),
      data: {
        ...data,
        labels: [EVIL, 'b'],
        labelCounts: { [EVIL]: { train: 1, validation: 1, test: 1 } },
        dropped: { [EVIL]: 3 },
      },
    });

    it('has no element but its own', () => {
      assert.ok(page.split('onerror=').length > 60, 'the words did not reach the page');
      assert.doesNotMatch(page, /<(script|img|iframe|object|embed|form|link|base|a [^>]*href="(?!#))/i);
      assert.equal(page.match(/<style>/g)?.length, 1);
      assert.equal(page.match(/<svg\s/g)?.length, 5);
      assert.doesNotMatch(page, /<[^>"]*(?:"[^"]*"[^>"]*)*\son\w+=/);
    });

    it('shows what would turn or hide text as a replacement character', () => {
      assert.doesNotMatch(page, /[\u202e\u0007]/);
      assert.match(page, /\{\{7\*7\}\}\ufffd\ufffd/);
    });
  });

  it('allows itself one style sheet by its hash, and nothing from anywhere', () => {
    const page = render(sampleFacts);
    const style = /<style>(.*?)<\/style>/s.exec(page)?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1]?.replaceAll('&#39;', "'");
    assert.equal(policy, `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`);
    assert.doesNotMatch(page, / style="|url\(|@import|src=/);
  });

  it('can be read without seeing it: headings in order, heads of rows and columns, drawings in words', () => {
    const page = render(sampleFacts);
    const levels = [...page.matchAll(/<h(\d)/g)].map(([, level]) => Number(level));
    assert.equal(levels.filter((level) => level === 1).length, 1);
    assert.ok(levels.every((level, index) => index === 0 || level - (levels[index - 1] ?? 0) <= 1));
    assert.doesNotMatch(page, /<th(?! scope=)[ >]/);
    assert.equal(page.match(/<table>/g)?.length, page.match(/<caption>/g)?.length);
    assert.equal(page.match(/<svg\s+role="img"/g)?.length, page.match(/<desc id=/g)?.length);
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const [, target] of page.matchAll(/(?:href="#|aria-labelledby=")([\w-]+)/g))
      assert.ok(ids.includes(target), target);
    // A state always has its word: the sign alone is hidden from readers of the screen.
    assert.doesNotMatch(page, /<span class="badge[^>]*><span[^>]*>.<\/span>\s*<\/span>/);
  });

  it('stays small for a long training: 100,000 steps make one line of 400 points', () => {
    const steps = Array.from({ length: 100_000 }, (_, index) => ({
      step: index,
      epoch: 1,
      loss: 1,
      learningRate: 0,
      gradientNorm: 0,
    }));
    const page = renderReport({
      kind: 'final',
      facts: sampleFacts,
      ...sampleMaterial(sampleFacts),
      history: { ...sampleHistory, steps },
    });
    assert.ok(page.length < render(sampleFacts).length + 10_000);
  });
});
