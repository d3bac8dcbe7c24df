/** Facts of an invented run that finds pictures, complete and plausible. */
import type { RetrievalEvaluation } from '../../activities/contract/retrieval.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { Score } from '../../activities/contract/measures.ts';
import { retrievalVerdict } from '../../activities/retrieval/judge-retrieval.ts';
import { ImageRetrievalSchema, type ImageRetrieval } from '../../pipelines/definition.ts';
import { digestOf, refOf, sampleFacts } from './facts.ts';

const score = (value: number, half: number, rows = 120): Score => ({
  value,
  interval: { low: value - half, high: Math.min(1, value + half), confidence: 0.95 },
  rows,
});
const plain = (value: number, rows = 0): Score => ({ value, interval: null, rows });

const { name, intendedUse, approvals, deploy } = sampleFacts.pipeline;
export const retrievalPipeline = (changes: object = {}): ImageRetrieval =>
  ImageRetrievalSchema.parse({
    name,
    intendedUse,
    approvals,
    deploy,
    task: 'image-retrieval',
    data: { files: ['pictures'], licence: 'CC0-1.0', source: 'drawn for this test' },
    candidates: sampleFacts.pipeline.candidates.map(({ id, model }) => ({ id, model })),
    ...changes,
  });

export const retrieval: RetrievalEvaluation = {
  k: 10,
  measures: {
    recallAtK: score(0.958, 0.035),
    precisionAtK: score(0.74, 0.05),
    meanAveragePrecision: score(0.69, 0.05),
    worstLabelPrecision: plain(0.41, 14),
    gainOverPixels: score(0.31, 0.06),
    gainOverFrozen: { value: null, interval: null, rows: 0, notApplicable: 'nothing was tuned' },
    domainShift: { value: 0.52, interval: { low: 0.43, high: 0.61, confidence: 0.95 }, rows: 120 },
    shiftedDrop: { value: null, interval: null, rows: 0, notApplicable: 'the definition names no data.shiftedFiles' },
    validationTestGap: score(0.01, 0.05),
    galleryTestGap: score(0.02, 0.04),
    labelErrors: {
      value: 0.04,
      interval: { low: 0.015, high: 0.09, confidence: 0.975 },
      rows: 210,
      of: 'gallery pictures',
    },
    corruptionDrop: score(0.04, 0.05),
    edgeInputs: plain(1, 14),
    flipRate: { value: 0.02, interval: { low: 0.006, high: 0.07, confidence: 0.95 }, rows: 100 },
    sliceGap: score(0.06, 0.09, 40),
    queriesInGallery: plain(0, 122),
    queriesWithoutRelevant: plain(2 / 122, 122),
    latencyP95Ms: plain(24.2, 200),
    memoryMb: plain(310, 200),
    sizeMb: plain(47.5),
    hardwareFit: {
      value: null,
      interval: null,
      rows: 0,
      notApplicable: 'the definition declares no memory or storage of a device (intendedUse.hardware)',
    },
    exportParity: plain(2e-6),
  },
  pixels: { recallAtK: score(0.72, 0.08), meanAveragePrecision: score(0.38, 0.05) },
  frozen: null,
  perLabel: [
    { label: 'bolt', queries: 40, recallAtK: 1, averagePrecision: 0.81 },
    { label: 'gear', queries: 14, recallAtK: 0.86, averagePrecision: 0.41 },
    { label: 'nut', queries: 0, recallAtK: null, averagePrecision: null },
  ],
  misses: [{ rowId: '1f0c9a44d2e7b310', expected: 'gear', found: 'bolt', similarity: 0.913 }],
  corruptions: [
    { name: 'blur', severity: 'mild', says: 'Gaussian', drop: score(0.04, 0.05) },
    { name: 'blur', severity: 'strong', says: 'Gaussian, wide', drop: score(0.11, 0.07) },
  ],
  edgeInputs: [
    { name: 'one pixel', ok: true, detail: 'answered with neighbours' },
    { name: 'CMYK', ok: true, detail: 'answered with neighbours' },
  ],
  slices: [
    {
      name: 'pictures of brightness 20 to 71 (of 255)',
      rows: 40,
      recallAtK: 0.925,
      averagePrecision: 0.613,
      gap: score(0.06, 0.09, 40),
    },
  ],
  queriesWithoutRelevant: 2,
  queriesInGallery: 0,
  latency: { p50Ms: 19.1, p95Ms: 24.2, meanMs: 20, runs: 200, warmupRuns: 20, waitedShare: 0 },
  hardware: { cpu: 'Example CPU 3000', cores: 8, arch: 'x64', runtime: 'onnxruntime-node 1.30.0' },
  details: refOf('findings.json', 'application/json'),
  reference: refOf('reference'),
};

const { evaluation: _, comparison: __, training: ___, privacy: ____, ...rest } = sampleFacts;
const pipeline = retrievalPipeline();

/** Nothing was tuned. */
export const retrievalFacts: RunFacts & { readonly pipeline: ImageRetrieval } = {
  ...rest,
  pipeline,
  ...(rest.data === undefined ? {} : { data: { ...rest.data, labels: ['bolt', 'gear', 'nut'] } }),
  exported: {
    embedder: refOf('encoder'),
    index: refOf('index'),
    rows: 560,
    dimension: 512,
    sizeBytes: 1_160_000,
    search: 'exact',
    graph: null,
    parityMaxAbs: 2e-6,
  },
  retrieval,
  gates: retrievalVerdict({ measures: retrieval.measures, gates: pipeline.gates }),
  retrievalComparison: {
    comparable: true,
    bundle: digestOf('bundle before'),
    rows: 118,
    rowsKnown: 2,
    meanAveragePrecision: {
      production: score(0.66, 0.05, 118),
      candidate: score(0.69, 0.05, 118),
      difference: score(0.03, 0.02, 118),
    },
    won: 61,
    lost: 33,
    gate: {
      name: 'gainOverProduction',
      verdict: 'pass',
      measured: 0.05,
      score: score(0.03, 0.02, 118),
      threshold: 0,
      direction: 'min',
      reason: 'gainOverProduction is 0.03 on 118 rows; nothing speaks against it',
    },
  },
};

/** A small part of the pictures: what the whole gallery should find is foretold. */
export const retrievalPrototype: RunFacts & { readonly pipeline: ImageRetrieval } = {
  ...retrievalFacts,
  pipeline: { ...pipeline, prototype: { trainRows: 560, measuredRows: 122, seed: 7 } },
  ...(rest.data === undefined
    ? {}
    : {
        data: {
          ...rest.data,
          labels: ['bolt', 'gear', 'nut'],
          wholeRows: { train: 8_130, validation: 905, test: 2_211 },
        },
      }),
  retrieval: {
    ...retrieval,
    foretold: {
      galleryRows: 560,
      fullRows: 8_130,
      queries: 119,
      curve: [
        { rows: 140, recallAtK: 0.913, meanAveragePrecision: 0.741 },
        { rows: 280, recallAtK: 0.937, meanAveragePrecision: 0.712 },
        { rows: 560, recallAtK: 0.957, meanAveragePrecision: 0.689 },
      ],
      recallAtK: { value: 0.982, interval: { low: 0.944, high: 0.997, confidence: 0.95 } },
      meanAveragePrecision: { value: 0.659, interval: { low: 0.587, high: 0.724, confidence: 0.95 } },
      secondsAPicture: 0.0163,
      search: { hereMs: 0.4, wholeMs: 6.1 },
    },
  },
};
