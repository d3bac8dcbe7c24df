import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ConvertedWeights } from '../../activities/contract/selection.ts';
import { summarise } from '../../client/summary.ts';
import { renderReport } from '../../activities/report/render.ts';
import { sampleFacts, sampleHistory, sampleMaterial } from '../support/facts.ts';

const render = (facts: RunFacts, kind: 'review' | 'release' | 'final' = 'final') =>
  renderReport({ kind, facts, ...sampleMaterial(facts) });
const sectionsOf = (page: string) => [...page.matchAll(/<section id="([\w-]+)"/g)].map(([, id]) => id);
/** The page's words, without markup and with single spaces. */
const wordsOf = (page: string) =>
  page
    .replaceAll(/<(style|title)[^>]*>.*?<\/\1>/gs, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ');

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

  it('says of which torch or TensorFlow file a candidate’s weights were made, and what called it clean', () => {
    const from = { path: 'pytorch_model.bin', sha256: 'ab'.repeat(32), bytes: 4321 };
    const scanner = { name: 'modelaudit-picklescan', version: '0.1.12', verdict: 'clean' } as const;
    const [first, ...rest] = candidates;
    assert.ok(first?.imported);
    const imported = { ...first.imported, converted: { of: 'torch', from, scanner, torch: '2.15.0' } as const };
    const words = wordsOf(render({ ...sampleFacts, candidates: [{ ...first, imported }, ...rest] }));
    const told =
      /, converted from pytorch_model\.bin \(4\s321 bytes, SHA-256 (ab){32} \), which modelaudit-picklescan 0\.1\.12 called clean, by torch 2\.15\.0/;
    assert.match(words, told);
    assert.doesNotMatch(wordsOf(render(sampleFacts)), /converted from/);
    const saying = (converted: ConvertedWeights): string =>
      wordsOf(render({ ...sampleFacts, candidates: [{ ...first, imported: { ...imported, converted } }, ...rest] }));
    assert.match(
      saying({ of: 'torch', from, scanner: null, torch: '2.15.0' }),
      /, which is of the form before PyTorch 1\.6 and holds tensors alone by our own reading, by torch 2\.15\.0/,
    );
    const index = { ...from, path: 'model.safetensors.index.json' };
    const part = { ...from, path: 'model-00001-of-00001.safetensors' };
    assert.match(
      saying({ of: 'safetensors', from: index, parts: [part] }),
      /, put together from model\.safetensors\.index\.json \(4\s321 bytes, SHA-256 (ab){32} \), model-00001-of-00001\.safetensors/,
    );
    const tensorflow = {
      of: 'keras',
      from: { ...from, path: 'tf_model.h5' },
      h5py: '3.16.0',
      leftOut: ['nsp___cls', 'mlm___cls'],
    } as const;
    const second = { ...first, imported: { ...first.imported, converted: tensorflow } };
    assert.match(
      wordsOf(render({ ...sampleFacts, candidates: [second, ...rest] })),
      /, converted from tf_model\.h5 \(4\s321 bytes, SHA-256 (ab){32} \), read by h5py 3\.16\.0, without its head \(nsp___cls, mlm___cls\)/,
    );
    const checkpoint = {
      of: 'checkpoint',
      from: { ...from, path: 'bert_model.ckpt.index' },
      parts: [{ ...from, path: 'bert_model.ckpt.data-00000-of-00001', bytes: 98_765 }],
      leftOut: ['cls'],
      made: [{ path: 'config.json', from: 'bert_config.json' }],
    } as const;
    const third = { ...first, imported: { ...first.imported, converted: checkpoint } };
    assert.match(
      wordsOf(render({ ...sampleFacts, candidates: [third, ...rest] })),
      /, converted from bert_model\.ckpt\.index \(4\s321 bytes, SHA-256 (ab){32} \), bert_model\.ckpt\.data-00000-of-00001 \(98\s765 bytes, SHA-256 (ab){32} \), without its head \(cls\); config\.json was made of bert_config\.json/,
    );
  });

  it('says how many training rows the probes had, where they had not all', () => {
    const fittedOn = { rows: 2000, of: 50_000 };
    const candidates = sampleFacts.candidates?.map((one) =>
      one.probe === undefined ? one : { ...one, probe: { ...one.probe, fittedOn } },
    );
    const pageOf = (facts: RunFacts) => renderReport({ kind: 'final', facts, ...sampleMaterial(facts) });
    assert.match(pageOf({ ...sampleFacts, candidates: candidates! }), /had 2\s000 of the 50\s000 training rows/);
    assert.doesNotMatch(pageOf(sampleFacts), /Probes and neighbours had/);
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

  it('sets the new model beside the one in production: rows won and lost, intervals, settings, and what is slower', () => {
    const words = wordsOf(render(sampleFacts, 'release'));
    for (const expected of [
      'In production',
      '✓ better 14 rows won, 3 lost: accuracy +8.0 points, 1.9 points to 13.8 points.',
      'On the same 138 test rows',
      'Accuracy 81.1 % 74.6 % to 87.6 % 89.1 % 84.1 % to 94.1 % 8.0 points 1.9 points to 13.8 points',
      'Latency p95 10.4 ms 6.90 ms −3.50 ms −33.7 %',
      'Size of model.onnx 133.5 MB 91.4 MB −42.1 MB −31.5 %',
      'McNemar, exact p = 0.0127',
      'Beside production: ✓ better (14 rows won, 3 lost of 138)',
      'Left out are 3 test rows that production was trained or chosen on',
      '1f0c9a44d2e7b310 refund-request refund-request damaged-item',
      'training.epochs 3 4',
      'candidates[2] nothing {&quot;id&quot;:',
    ]) {
      assert.ok(words.includes(expected), expected);
    }
  });

  it('claims no difference that the interval does not show', () => {
    assert.ok(comparison?.comparable);
    const withInterval = (low: number, high: number) =>
      wordsOf(
        render({
          ...sampleFacts,
          comparison: {
            ...comparison,
            accuracy: {
              ...comparison.accuracy,
              difference: { value: (low + high) / 2, interval: { low, high, confidence: 0.95 }, rows: 138 },
            },
          },
        }),
      );
    assert.match(withInterval(-0.01, 0.02), /– no difference shown .*cannot tell which of the two errs less/);
    assert.match(withInterval(-0.04, -0.01), /✗ worse 14 rows won, 3 lost: accuracy −2\.5 points/);
    assert.doesNotMatch(withInterval(0, 0.02), /✓ better/);
  });

  it('says that nothing is in production, or why the two cannot be compared', () => {
    const { comparison: _, ...uncompared } = sampleFacts;
    const words = (facts: Partial<RunFacts>) => wordsOf(render({ ...uncompared, ...facts }));
    assert.match(
      words({ production: null }),
      /Nothing is in production: channel production of support-intents serves nothing/,
    );
    const bundleBefore = production?.bundle ?? 'sha256:';
    assert.match(
      words({ comparison: { comparable: false, bundle: bundleBefore, reason: 'their labels differ: <i>' } }),
      /! not compared The two cannot be compared: their labels differ: &lt;i&gt;\. Settings that differ/,
    );
    assert.ok(production);
    const gone = { ...production, made: null, problem: 'its evidence is not in the store', settings: [] };
    assert.match(words({ production: gone }), /cannot be compared: its evidence is not in the store/);
    assert.doesNotMatch(words({ production: gone }), /Every setting is as in/);
    assert.match(words({ production: { ...production, settings: [] } }), /Every setting is as in the definition/);
  });

  it('says what was measured of the cost, and money only by prices that somebody gave', () => {
    const words = wordsOf(render(sampleFacts));
    assert.match(words, /espalier-gpu 1 0 2 1 min 11 s 1 min 11 s/);
    assert.match(words, /The training ran on the CPU: the seconds of its queue are no GPU&#39;s/);
    assert.match(words, /In the store 412\.3 MB in 19 artifacts/);
    assert.match(words, /Money no prices are configured \(ESPALIER_PRICES\)/);
    assert.doesNotMatch(words, /EUR/);
    const prices = {
      version: 1,
      currency: 'EUR',
      source: 'the rates of March',
      perHour: { 'espalier-gpu': 3.6 },
    } as const;
    const priced = wordsOf(renderReport({ kind: 'final', facts: sampleFacts, ...sampleMaterial(sampleFacts, prices) }));
    assert.match(
      priced,
      /Computing 0\.07 EUR to 0\.07 EUR what ran, to begin to end; prices: the rates of March; without a price: espalier, espalier-cpu, espalier-deploy/,
    );
  });

  it('names the machine that candidates were timed on, and where there were several, whose was which', () => {
    assert.match(
      wordsOf(render(sampleFacts)),
      /Measured one text at a time on Example CPU 3000 \(8 cores, x64\), onnxruntime-node 1\.30\.0\./,
    );
    const candidates = (sampleFacts.candidates ?? []).map((one) =>
      one.id === 'minilm-l3' && one.profile !== undefined
        ? { ...one, profile: { ...one.profile, hardware: { ...one.profile.hardware, cores: 2, memoryMb: 4000 } } }
        : one,
    );
    assert.match(
      wordsOf(render({ ...sampleFacts, candidates })),
      /on Example CPU 3000 \(2 cores, x64\), onnxruntime-node 1\.30\.0: minilm-l3; Example CPU 3000 \(8 cores, x64\), onnxruntime-node 1\.30\.0: minilm-l6, at least 4000\.0 MB of memory/,
    );
  });

  it('says of the machine that the judged times are of whether it is of the declared class', () => {
    const { pipeline } = sampleFacts;
    assert.ok(pipeline.task === 'text-classification');
    const on = (hardware?: { readonly cores: number }) =>
      wordsOf(render({ ...sampleFacts, pipeline: { ...pipeline, selection: { ...pipeline.selection, hardware } } }));
    const machine = 'Measured on Example CPU 3000, 8 cores, onnxruntime-node 1.30.0';
    assert.ok(on().includes(machine) && !on().includes('declared class'));
    assert.ok(on({ cores: 8 }).includes(`${machine}; of the declared class`));
    // Of a run that began before evaluations refused one.
    assert.ok(on({ cores: 4 }).includes(`${machine}; not of the declared class: it has 8 cores, not 4`));
  });

  it('says what 1,000 inputs cost of each candidate, by the price that the ranking was reckoned with', () => {
    const { selection } = sampleFacts;
    assert.ok(selection);
    const price = { queue: 'espalier-cpu', perHour: 0.36, currency: 'EUR', source: 'the rates of March' };
    const ranking = selection.ranking.map((one) =>
      one.eligible ? { ...one, costPer1000: one.encoder === 'minilm-l6' ? 0.00123 : 0.0456 } : one,
    );
    const words = wordsOf(render({ ...sampleFacts, selection: { ...selection, ranking, price } }));
    assert.match(words, /Memory Cost of 1,000 Export/);
    assert.match(words, /minilm-l6 ✓ chosen 1 .*? 0\.00123 EUR /);
    assert.match(words, /0\.05 EUR/);
    assert.match(
      words,
      /Cost: 1,000 inputs, one after the other on one slot of espalier-cpu at 0\.36 EUR an hour \(the rates of March\)/,
    );
    assert.doesNotMatch(wordsOf(render(sampleFacts)), /Cost of 1,000/);
    assert.deepEqual(
      summarise({ ...sampleFacts, selection: { ...selection, ranking, price } }, 'review').at(-1)?.lines,
      [
        {
          text: '1,000 inferences, on a slot of espalier-cpu (the rates of March): minilm-l6: 0.00123 EUR, minilm-l3: 0.0456 EUR',
        },
      ],
    );
    assert.ok(summarise(sampleFacts, 'review').every(({ name }) => name !== 'cost'));
  });

  it('sums up the bill of materials, and shows the surest mistakes with their texts', () => {
    const words = wordsOf(render(sampleFacts, 'release'));
    assert.match(words, /bom\.cdx\.json of the bundle, CycloneDX 1\.6: [0-9a-f]{12}/);
    assert.match(words, /base model pypi:example-minilm==0\.1\.0#model 0\.1\.0 apache-2\.0 Apache-2\.0 6/);
    assert.match(words, /data set support-intents data 0f9e8d7c6b5a CC-BY-4\.0 none 5/);
    assert.match(words, /learningRate 0\.00005/);
    assert.match(words, /refund-request damaged-item 97\.0 % the parcel came broken, write to &lt;EMAIL_1&gt;/);
  });

  it('shows of several labels a row each one’s threshold, and no confusion matrix', () => {
    assert.ok(evaluation);
    const whole = { value: 0.5, interval: { low: 0.4, high: 0.6, confidence: 0.95 }, rows: 40 };
    const severalLabels = {
      microF1: whole,
      meanAveragePrecision: whole,
      subsetAccuracy: whole,
      labelsPerRow: { given: 1.25, predicted: 1.5 },
    };
    assert.ok(sampleFacts.exported && 'classifier' in sampleFacts.exported);
    const exported = { ...sampleFacts.exported, temperature: 1, calibratedLabels: 5 };
    const learntFrom = { rows: 200, of: 12_000 };
    const trivial = [{ kind: 'TF-IDF with logistic regression', accuracy: whole, midP: 0.01, learntFrom }];
    const perLabel = evaluation.perLabel.map((one, place) => ({
      ...one,
      ...(place === 0 ? { unfitted: true as const } : {}),
      threshold: 0.37,
      averagePrecision: 0.81,
      calibrationError: 0.02,
    }));
    const words = wordsOf(
      render({
        ...sampleFacts,
        exported,
        evaluation: { ...evaluation, trivial, perLabel, severalLabels, confusion: [] },
      }),
    );
    assert.match(words, /Trivial: TF-IDF with logistic regression, from 200 of 12\s000 training rows/);
    assert.match(words, /Micro F1 50/);
    assert.match(words, /Labels a row 1\.25 given, 1\.5 predicted/);
    assert.match(words, /Applies from Average precision ECE/);
    assert.match(words, /37\.0 % 81\.0 % 2\.0 %/);
    assert.equal(words.match(/37\.0 % \(not fitted\) 81\.0 %/g)?.length, 1);
    assert.match(words, /sigmoid fitted for 5 of 6 labels, on validation/);
    assert.doesNotMatch(words, /confusion matrix/i);
  });

  it('says where the rest is of an evaluation of more labels than a page can show', () => {
    assert.ok(data && evaluation);
    const labels = Array.from({ length: 700 }, (_, index) => `label ${index}`);
    const facts = { ...sampleFacts, data: { ...data, labels }, evaluation: { ...evaluation, confusion: [] } };
    const words = wordsOf(render(facts));
    const shown = evaluation.perLabel.length;
    assert.match(words, new RegExp(`The ${shown} labels with the lowest F1 of 700, test split; all are in the`));
    assert.match(words, /The confusion matrix of so many labels is in the evaluation artifact/);
    assert.doesNotMatch(wordsOf(render(sampleFacts)), /lowest F1|of so many labels/);
  });

  it('says what the declared device has, and what of it the model takes', () => {
    const { evaluation } = sampleFacts;
    assert.ok(evaluation?.diagnosis);
    const hardwareFit = [
      { what: 'memory', neededMb: 412, availableMb: 2000, workers: 4 },
      { what: 'storage', neededMb: 91, availableMb: 500, workers: 4 },
    ] as const;
    const page = render({
      ...sampleFacts,
      evaluation: { ...evaluation, diagnosis: { ...evaluation.diagnosis, hardwareFit } },
    });
    assert.match(
      wordsOf(page),
      /Memory of the device 412\.0 MB needed of 2000\.0 MB, with 4 copies of the model Storage of the device 91\.0 MB needed of 500\.0 MB/,
    );
  });

  it('says which of two rules a word that gives a label away is judged by', () => {
    const { evaluation } = sampleFacts;
    assert.ok(evaluation?.diagnosis?.giveaway);
    const giveaway = { ...evaluation.diagnosis.giveaway, counted: 'without' } as const;
    const page = render({
      ...sampleFacts,
      evaluation: { ...evaluation, diagnosis: { ...evaluation.diagnosis, giveaway } },
    });
    const judged =
      /“please” as last word for account \(judged is how well the rows without the word tell those of other labels\): in 12 of its 41 rows/;
    assert.match(wordsOf(page), judged);
    assert.doesNotMatch(wordsOf(render(sampleFacts)), /judged is how well/);
  });

  it('says by which trait of a picture a label is given away most', () => {
    const { evaluation } = sampleFacts;
    assert.ok(evaluation?.diagnosis);
    const trait = { trait: 'width of at least', value: '48', label: 'refund', rows: 25, both: 20, labelled: 22 };
    const page = render({
      ...sampleFacts,
      evaluation: { ...evaluation, diagnosis: { ...evaluation.diagnosis, trait } },
    });
    assert.match(
      wordsOf(page),
      /Best rule of a trait of the picture width of at least 48 for refund: in 20 of its 22 pictures, and in 5 others/,
    );
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
