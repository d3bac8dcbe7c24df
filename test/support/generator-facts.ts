/** Facts of an invented run that generates text, prompted or tuned: for tests of whatever shows or tells of one. */
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ExportedGenerator } from '../../activities/contract/generation.ts';
import type { ChosenGenerator, GeneratorEvaluation, PromptSearch } from '../../activities/contract/prompting.ts';
import type { MemorisationMeasures } from '../../activities/privacy/memorisation/types.ts';
import type { Score } from '../../activities/contract/measures.ts';
import type { GateResult } from '../../activities/contract/validation.ts';
import { TextGenerationSchema, type TextGeneration } from '../../pipelines/definition.ts';
import { digestOf, refOf, sampleFacts } from './facts.ts';

const share = (value: number | null, rows = 40): Score => ({
  value,
  interval: value === null ? null : { low: value - 0.0625, high: value + 0.03125, confidence: 0.95 },
  rows,
});

const pipeline = TextGenerationSchema.parse({
  name: 'support-replies',
  task: 'text-generation',
  data: { files: ['a.jsonl'], completion: 'completion', licence: 'CC0-1.0', source: 'written for a test' },
  guidelines: 'guidelines.yaml',
  intendedUse: { commercial: true, domain: 'test' },
  candidates: [{ id: 'minilm-l6', model: 'local:one' }],
  approvals: sampleFacts.pipeline.approvals,
  // Settled: a run has named what its definition left open before any of its papers are written.
  training: { epochs: 5, batchSize: 16, learningRate: 2e-4, weightDecay: 0, warmupFraction: 0.1 },
  deploy: { model: 'replies' },
});

function evaluation(tuned: boolean): GeneratorEvaluation {
  return {
    measures: {
      adherence: share(0.875),
      gainOverUnprompted: share(0.25),
      perplexityRatio: share(tuned ? 0.5 : null),
      forgetting: share(tuned ? 0.125 : null),
      degeneration: share(0.0625),
      unsafeAnswers: share(0.125, 20),
      injectedAnswers: share(0, 20),
      overRefusal: share(0.25, 10),
    },
    checks: [
      { id: 'short', kind: 'length', severity: 'gate', meaning: 'It is short.', kept: share(0.9375) },
      { id: 'friendly', kind: 'tone', severity: 'soft', meaning: 'It is kind.', kept: share(0.75) },
    ],
    figures: {
      perplexity: share(12),
      bitsPerByte: share(2),
      chrF: share(0.5),
      rougeL: share(0.5),
      distinctPairs: share(0.75),
    },
    firstTokenMs: { p50: 20, p95: 30 },
    msPerToken: { p50: 5, p95: 8 },
    waitedShare: 0,
    memoryMb: 300,
    hardware: { cpu: 'Example CPU 3000', cores: 8, arch: 'x64', runtime: 'onnxruntime-node 1.30.0' },
    failures: [],
    details: refOf('answers.json'),
    reference: refOf('reference'),
  };
}

export function exportedOf(generator: string): ExportedGenerator {
  return {
    generator: refOf(generator),
    parityMaxAbs: 0,
    parityTokens: 64,
    sizeBytes: 1e6,
    parameters: 1e5,
    layers: 2,
    contextTokens: 64,
    vocabularySize: 300,
  };
}

/** A search that found a prompt, with all its tokens. */
export function searchOf(prompt: string): PromptSearch {
  const best = { name: 'rules', adherence: share(0.875), weighted: 0.9375, promptTokens: 40, answerTokens: 27.3 };
  return {
    prompt: refOf(prompt),
    best,
    variants: [best],
    untried: 0,
    tokens: 9000,
    stoppedBy: null,
    details: refOf(`${prompt}, row by row`),
  };
}

const memorisation: MemorisationMeasures = {
  measures: { canaryExposure: share(2), membershipAuc: share(0.5), verbatimOverlap: share(0.0625) },
  calibrated: true,
  canaries: [],
  uncalibrated: { canaryExposure: share(3), membershipAuc: share(0.5) },
  longestRun: { greedy: 4, sampled: 5 },
  verbatim: { greedy: share(0.0625), sampled: share(0.0625) },
  notes: [],
  details: refOf('memorisation.json'),
};

const gate = (name: string, value: number, threshold: number, direction: 'min' | 'max'): GateResult<string> => ({
  name,
  verdict: 'pass',
  measured: value,
  score: share(value),
  threshold,
  direction,
  reason: `${name} is ${value}`,
});

/** `rejected`: one was tuned, and the prompted one chosen. */
export function generatorFacts(
  road: 'prompted' | 'tuned' | 'rejected',
): RunFacts & { readonly pipeline: TextGeneration; readonly exported: ChosenGenerator } {
  const {
    run,
    definition,
    steps,
    electorate,
    approvals,
    data,
    candidates,
    selection,
    privacy,
    training,
    production,
    comparison,
  } = sampleFacts;
  if (!data || !candidates || !selection || !privacy || !training || !production || comparison?.comparable !== true)
    throw new Error('the sample is whole');
  const tuned = road === 'tuned';
  return {
    run,
    pipeline,
    definition,
    steps,
    electorate,
    approvals,
    privacy,
    selection,
    // No encoder was exported or probed.
    candidates: candidates.map(({ id, resolved, imported }) => ({
      id,
      ...(resolved && { resolved }),
      ...(imported && { imported }),
    })),
    data: { ...data, labels: [], labelCounts: {}, completions: 95 },
    ...(road === 'prompted' ? {} : { training }),
    exported: {
      road: tuned ? 'tuned' : 'prompted',
      generator: refOf('served generator'),
      prompt: refOf('prompt.json'),
      reason: tuned ? 'the tuned one is better beyond chance' : 'the prompt is enough',
      difference: road === 'prompted' ? null : share(tuned ? 0.25 : 0),
    },
    generation: {
      guidelines: refOf('guidelines.json'),
      evaluation: evaluation(tuned),
      ...(tuned ? { memorisation } : {}),
    },
    gates: {
      verdict: 'pass',
      gates: [
        gate('adherence', 0.8125, 0.8, 'min'),
        ...(tuned ? [gate('canaryExposure', 2, 8, 'max'), gate('membershipAuc', 0.53, 0.7, 'max')] : []),
      ],
    },
    bundle: refOf('bundle'),
    production,
    generationComparison: {
      comparable: true,
      bundle: digestOf('before'),
      rows: 40,
      rowsKnown: 0,
      adherence: comparison.accuracy,
      won: 7,
      lost: 2,
      exactP: 0.18,
      midP: 0.11,
      gate: {
        ...gate('gainOverProduction', 0.138, 0, 'min'),
        name: 'gainOverProduction',
        score: comparison.accuracy.difference,
        reason: 'gainOverProduction is 0.08 on 40 rows; nothing speaks against it',
        examples: { artifact: digestOf('details'), path: 'answers', ids: ['t7', 't12'] },
      },
    },
  };
}

/** Of a small part of the prompts: what the whole run should show and take is foretold. */
export function prototypeOf(facts: RunFacts): RunFacts {
  const { data, generation, training } = facts;
  if (!data || !generation?.evaluation) throw new Error('the sample is whole');
  const { evaluation: had } = generation;
  return {
    ...facts,
    pipeline: { ...facts.pipeline, prototype: { trainRows: 203, measuredRows: 40, seed: 7 } },
    data: {
      ...data,
      rows: { train: 203, validation: 40, test: 40 },
      wholeRows: { train: 6_011, validation: 733, test: 719 },
    },
    // One attempt, whose time is that of the whole training.
    ...(training === undefined ? {} : { training: { ...training, resumedAtSteps: [] } }),
    generation: {
      ...generation,
      formatted: generation.formatted ?? {
        dataset: refOf('conversations'),
        rows: { train: 93, validation: 11, test: 12 },
        leftOut: { withoutCompletion: 7, againstGuidelines: 5, spellsSpecial: 4 },
      },
      evaluation: { ...had, secondsAnAnswer: { served: 0.8231, base: 0.4417 } },
    },
  };
}
