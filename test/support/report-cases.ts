/** Runs of every kind that a report tells of, each with all that its kind can have: for tests that walk whole pages. */
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { RungResult } from '../../activities/contract/prototype.ts';
import type { Score } from '../../activities/contract/measures.ts';
import type { CandidateOutcome, RankedCandidate } from '../../activities/contract/selection.ts';
import type { ReportMaterial } from '../../activities/report/material.ts';
import type { Prices } from '../../activities/report/prices.ts';
import { choosePrototyped } from '../../activities/selection/choosing.ts';
import { chooseSettings } from '../../activities/selection/choosing-settings.ts';
import { ImageClassificationSchema } from '../../pipelines/definition.ts';
import { answerTime, servedTimes } from '../../pipelines/answer-time.ts';
import { costPer1000, slotPrice } from '../../pipelines/inference-cost.ts';
import { refOf, sampleFacts, sampleMaterial } from './facts.ts';
import { exportedOf, generatorFacts, prototypeOf, searchOf } from './generator-facts.ts';
import { retrieval, retrievalFacts, retrievalPipeline, retrievalPrototype } from './retrieval-facts.ts';

interface ReportCase {
  readonly facts: RunFacts;
  readonly material: ReportMaterial;
}

const share = (value: number, rows: number): Score => ({
  value,
  interval: { low: value - 0.0417, high: value + 0.0291, confidence: 0.95 },
  rows,
});
const prices: Prices = {
  version: 1,
  currency: 'EUR',
  source: 'the rates of March',
  perHour: { 'espalier-gpu': 3.6, espalier: 0.21, 'espalier-cpu': 0.37 },
  perGigabyteMonth: 0.023,
};

const of = (facts: RunFacts, more: Partial<ReportMaterial> = {}, priced?: Prices): ReportCase => ({
  facts,
  material: { ...sampleMaterial(facts, priced), ...more },
});

export const reportCases = (): Readonly<Record<string, ReportCase>> => ({
  'a classifier of texts': of(texts, {
    gateExamples: { giveaway: [{ id: '4d2e7b3101', note: '31 of 33', text: 'please' }] },
  }),
  'a run with prototypes and prices': of(prototyped, {}, prices),
  'a classifier of several labels': of(severalLabels),
  'a classifier of pictures': of(pictures),
  'a generator with a prompt': of(generator('prompted'), answers),
  'a tuned generator': of(priced(generator('tuned')), answers),
  'a prototype of a generator with a prompt': of(generatorPrototype('prompted'), answers, prices),
  'a prototype of a tuned generator': of(generatorPrototype('tuned'), answers, prices),
  'a finder of pictures': of(finder),
  'a prototype of a finder': of(retrievalPrototype, {}, prices),
});

const { evaluation, candidates = [], data, exported, training } = sampleFacts;
if (!evaluation?.diagnosis || !data || !exported || !('classifier' in exported) || !training)
  throw new Error('the sample is whole');

const at = '2026-03-01T09:17:41.000Z';

const texts: RunFacts = {
  ...sampleFacts,
  recipe: [{ path: 'training.epochs', value: 11, reason: '421 training rows: few rows give few steps' }],
  resolutions: [
    {
      step: 'train',
      action: 'retry',
      settings: { 'training.learningRate': 0.00003 },
      by: 'olga',
      comment: 'try 2',
      error: 'loss is NaN at step 12',
      at,
    },
  ],
  changes: [{ path: 'training.learningRate', from: 0.00005, to: 0.00003, step: 'train', by: 'olga', at }],
  searched: chooseSettings({
    recommended: [{ path: 'training.learningRate', value: 1e-4, reason: '22 million parameters' }],
    trials: [
      { id: 'trial-1', settings: { learningRate: 1e-4 } },
      { id: 'trial-2', settings: { learningRate: 3.1e-4 } },
    ],
    results: [
      { candidate: 'trial-1', accuracy: 0.803, seed: 7, seconds: 33 },
      { candidate: 'trial-2', accuracy: 0.857, seed: 7, seconds: 34 },
      { candidate: 'trial-2', accuracy: 0.871, seed: 8, seconds: 37 },
    ].map((one) => ({ rung: 1, trainRows: 1200, validationRows: 400, ...one })),
    left: [],
  }),
  training: { ...training, oomRetries: 2, microBatch: 4, warnings: ['the checkpoint of step 40 is not used'] },
  exported: { ...exported, temperature: 1.37 },
  evaluation: {
    ...evaluation,
    diagnosis: {
      ...evaluation.diagnosis,
      hardwareFit: [{ what: 'memory', neededMb: 412, availableMb: 2010, workers: 3 }],
      swaps: [{ name: 'gender', judged: true, edited: 46, flipped: 9, flippedNeutral: 8, words: 51, examples: [] }],
    },
    behaviour: [
      {
        name: 'tests-of-2026',
        kind: 'invariance',
        score: share(0.83, 67),
        failures: [{ file: 'tests.jsonl', line: 39, problem: 'is 2 labels' }],
      },
    ],
  },
};

const rung = (candidate: string, step: number, trainRows: number, accuracy: number): RungResult => ({
  candidate,
  rung: step,
  trainRows,
  validationRows: 260,
  accuracy,
  seconds: 5 + trainRows / 10,
});
/** With what 1,000 of each candidate's inferences cost, as the ranking reckons it. */
const priced = (facts: RunFacts): RunFacts => {
  const price = slotPrice(prices);
  const msOf = ({ profile, generator }: CandidateOutcome): number | undefined =>
    generator?.profile && generator.search
      ? answerTime(generator.profile, generator.search.best)?.ms
      : profile?.latency.meanMs;
  const ranking = (facts.selection?.ranking ?? []).map((one): RankedCandidate => {
    const ms = facts.candidates?.flatMap((candidate) => (candidate.id === one.encoder ? (msOf(candidate) ?? []) : []));
    const cost = costPer1000(ms?.[0], price);
    const { profile, search } = facts.candidates?.find(({ id }) => id === one.encoder)?.generator ?? {};
    const served = profile && search ? { served: servedTimes(profile, search.best) } : {};
    return cost === null ? one : { ...one, costPer1000: cost, ...served };
  });
  if (price === null || ranking.every(({ costPer1000: cost }) => cost === undefined))
    throw new Error('nothing is priced');
  return { ...facts, selection: { ...facts.selection!, ranking, price } };
};

const prototyped: RunFacts = {
  ...priced(sampleFacts),
  prototyped: choosePrototyped({
    selection: { winner: 'a', ranking: [], rule: 'x', shortlist: ['a', 'b'] },
    results: [rung('a', 1, 100, 0.6), rung('b', 1, 100, 0.51), rung('b', 2, 400, 0.73)],
    left: [],
    measured: [],
    fullRows: 2000,
    epochsFactor: 1,
    tolerance: 0.01,
    seed: 7,
  }).prototyped,
};

const severalLabels: RunFacts = {
  ...sampleFacts,
  exported: { ...exported, temperature: 1, calibratedLabels: 5 },
  evaluation: {
    ...evaluation,
    trivial: [
      {
        kind: 'TF-IDF with logistic regression',
        accuracy: share(0.47, 141),
        midP: 0.0123,
        learntFrom: { rows: 203, of: 12_340 },
      },
    ],
    perLabel: evaluation.perLabel.map((one, place) => ({
      ...one,
      threshold: 0.37 + place / 100,
      averagePrecision: 0.812 + place / 100,
      calibrationError: 0.023 + place / 100,
    })),
    severalLabels: {
      microF1: share(0.53, 141),
      meanAveragePrecision: share(0.57, 141),
      subsetAccuracy: share(0.41, 141),
      labelsPerRow: { given: 1.25, predicted: 1.5 },
    },
    confusion: [],
  },
};

const { name, intendedUse, approvals, deploy } = sampleFacts.pipeline;
const { privacy: _, ...unread } = sampleFacts;
const pictures: RunFacts = {
  ...unread,
  pipeline: ImageClassificationSchema.parse({
    name,
    intendedUse,
    approvals,
    deploy,
    task: 'image-classification',
    data: { files: ['pictures'], licence: 'CC0-1.0', source: 'drawn for this test' },
    candidates: sampleFacts.pipeline.candidates.map(({ id, model }) => ({ id, model })),
  }),
  data: {
    ...data,
    contamination: {
      similarity: 0.92,
      missRate: 0,
      nearTwins: { validation: 13, test: 27 },
      dropped: 0,
      evaluation: [],
    },
  },
  candidates: candidates.map((one) =>
    one.probe === undefined
      ? one
      : {
          ...one,
          probe: {
            ...one.probe,
            fittedOn: { rows: 2010, of: 50_120 },
            crossValidated: { ...share(0.77, 1930), folds: 5 },
            logme: { ...share(0.61, 1930), folds: 5 },
            domain: { input: 'image', rows: 1930, medianEdge: 96, modelEdge: 224, enlarged: 0.93, distance: 0.117 },
          },
        },
  ),
  attack: {
    measures: { fgsmRobustness: share(0.71, 83), pgdRobustness: share(0.25, 83) },
    accuracy: share(0.81, 103),
    withoutGradient: 3,
    attack: { epsilonLevels: 4, steps: 11, stepLevels: 1.5, pictures: 103 },
    details: refOf('attack.json'),
  },
  squareAttack: {
    measures: { squareRobustness: share(0.55, 83) },
    accuracy: share(0.83, 103),
    queriesToLose: 42,
    attack: { epsilonLevels: 4, pictures: 103, queries: 310 },
    details: refOf('square.json'),
  },
  evaluation: {
    ...evaluation,
    diagnosis: {
      ...evaluation.diagnosis,
      corruptions: [{ name: 'blur', severity: 'mild', says: 'Gaussian, 1 pixel', drop: share(0.043, 103) }],
      patch: {
        name: 'white square',
        box: { left: 0.11, top: 0.22, width: 0.13, height: 0.14 },
        within: 'seen',
        target: 'bolt',
        pictures: 74,
        flipped: 31,
      },
    },
  },
};

const answers: Partial<ReportMaterial> = {
  answers: [{ rowId: '31f0c9a4', prompt: 'my 3 parcels', answer: 'all 4 are late', broken: ['short'] }],
};

function generator(road: 'prompted' | 'tuned'): RunFacts {
  const facts = generatorFacts(road);
  const { generation } = facts;
  if (generation === undefined) throw new Error('the sample is whole');
  return {
    ...facts,
    candidates: (facts.candidates ?? []).map((one, place) =>
      place === 0
        ? {
            ...one,
            generator: {
              exported: exportedOf(one.id),
              search: searchOf(one.id),
              profile: {
                firstTokenMs: { p50: 21, p95: 33 },
                msPerToken: { p50: 5.7, p95: 8.1 },
                sizeMb: 113.2,
                memoryMb: 317.4,
                answers: 20,
                answer: {
                  meanMs: 191.5,
                  meanTokens: 29.7,
                  firstMs: 22.4,
                  promptTokens: 17.2,
                  longer: [{ promptTokens: 410, firstMs: 233, tokens: 31, tokenMs: 9.3 }],
                },
                waitedShare: 0,
                hardware: evaluation!.hardware,
              },
            },
          }
        : one,
    ),
    generation: {
      ...generation,
      formatted: {
        dataset: refOf('conversations'),
        rows: { train: 93, validation: 11, test: 12 },
        leftOut: { withoutCompletion: 7, againstGuidelines: 5, spellsSpecial: 4 },
        conversations: { rows: 17, shortened: 6 },
      },
    },
  };
}

const generatorPrototype = (road: 'prompted' | 'tuned'): RunFacts => prototypeOf(generator(road));

const { exported: indexed } = retrievalFacts;
if (!indexed || !('embedder' in indexed)) throw new Error('the sample is whole');
const finder: RunFacts = {
  ...retrievalFacts,
  pipeline: retrievalPipeline({ training: {} }),
  training,
  exported: { ...indexed, search: 'graph', graph: { recall: share(0.97, 211), k: 10, bound: 0.951, accepted: true } },
  retrieval: {
    ...retrieval,
    frozen: { recallAtK: share(0.88, 120), meanAveragePrecision: share(0.55, 120) },
    measures: { ...retrieval.measures, gainOverFrozen: share(0.14, 120) },
  },
};
