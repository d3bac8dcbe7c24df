import { doesNotMatch, equal, match, ok } from 'node:assert/strict';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { Score } from '../../activities/contract/measures.ts';
import { renderReport } from '../../activities/report/render.ts';
import type { TextGeneration } from '../../pipelines/definition.ts';
import { sampleMaterial } from '../support/facts.ts';
import { exportedOf, generatorFacts, prototypeOf, searchOf } from '../support/generator-facts.ts';

type Road = Parameters<typeof generatorFacts>[0];

const page = (facts: RunFacts): string =>
  renderReport({ kind: 'final', facts, ...sampleMaterial(facts) })
    .replace(/<style>[^]*?<\/style>/, '')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ');

interface Changes {
  readonly adherence?: Score;
  readonly min?: number;
  readonly test?: number;
  readonly severity?: 'warn' | 'off';
}

function prototype(road: Road, { adherence, min = 0.8, test = 719, severity }: Changes = {}): RunFacts {
  const facts = prototypeOf(generatorFacts(road));
  const { gates } = facts.pipeline as TextGeneration;
  const { generation, data } = facts;
  if (!generation?.evaluation || !data?.wholeRows) throw new Error('the sample is whole');
  const { measures } = generation.evaluation;
  return {
    ...facts,
    pipeline: {
      ...(facts.pipeline as TextGeneration),
      gates: { ...gates, adherence: { min, severity: severity ?? 'fail' } },
    },
    data: { ...data, wholeRows: { ...data.wholeRows, test } },
    generation: {
      ...generation,
      evaluation: {
        ...generation.evaluation,
        measures: adherence === undefined ? measures : { ...measures, adherence },
      },
    },
  };
}

describe('the report on a prototype of a generator', () => {
  it('foretells what the gates judge over all test prompts, whether they pass, and the time to ask', () => {
    const shown = page(prototype('prompted'));
    match(shown, /stands under The whole run\./);
    match(shown, /over 719 test prompts, at the share that 40 show here 87\.5 % 84\.9 % to 89\.7 %/);
    match(shown, /not shown .*\(adherence: 71\.8 % to 93\.0 %, at least 80\.0 % is asked\)/);
    match(shown, /Probability that adherence passes 77\.9 %/);
    // 0.8231 and 0.4417 s, 719 times.
    match(shown, /and of the one told nothing about 15 min 9 s/);
    match(shown, /A prompt was enough here/);
    match(shown, /Times to the first token .* are not extrapolated: weights of the same shape/);
    doesNotMatch(shown, /To tune on/);
    doesNotMatch(page(generatorFacts('prompted')), /The whole run /);
  });

  it('says that the whole run is worth its cost where its gates pass even at worst, and is not where they fail beyond chance', () => {
    match(page(prototype('prompted', { min: 0.6 })), /✓ worth it .*passes even at worst \(adherence: 71\.8 %/);
    match(
      page(prototype('prompted', { min: 0.98 })),
      /not worth it .*that this model fails beyond chance \(adherence: 71\.8 % to 93\.0 %, at least 98\.0 %/,
    );
    // What only warns, or is off, ends no run, and brings none through.
    match(page(prototype('prompted', { min: 0.98, severity: 'warn' })), /not shown Whether .* is not shown\./);
    doesNotMatch(page(prototype('prompted', { severity: 'off' })), /Probability that adherence passes/);
  });

  it('says of so few test prompts that no model passes on them', () => {
    const all = { value: 1, interval: { low: 0.7, high: 1, confidence: 0.95 }, rows: 10 };
    for (const road of ['prompted', 'tuned'] as const) {
      match(
        page(prototype(road, { adherence: all, test: 15 })),
        /not worth it .*of 15 test prompts, even if every answer keeps the guidelines, 79\.6 % would be judged, and at least 80\.0 %/,
      );
    }
  });

  it('draws no curve of a tuned model by one size: the time is an upper bound, and a gate that fails now may pass', () => {
    const shown = page(prototype('tuned', { min: 0.98 }));
    match(shown, /not shown .*\(adherence: 71\.8 % to 93\.0 %, at least 98\.0 %/);
    match(shown, /is not predicted: one size is no curve/);
    match(shown, /To tune on some 2.754 good answers at most \d+ min/);
    match(page(prototype('tuned', { min: 0.6 })), /worth it .*as tuned on so few rows already, passes even at worst/);
    match(page(prototype('rejected')), /To tune on some/);
  });

  it('knows no time of a training that was resumed, and does not take for enough a prompt that was not', () => {
    const tuned = prototype('tuned');
    const resumed = { ...tuned, training: { ...tuned.training!, resumedAtSteps: [40] } };
    match(page(resumed), /To tune on some .* not known: the training was there already, resumed/);
    const low = searchOf('prompt');
    const search = { ...low, best: { ...low.best, adherence: { ...low.best.adherence, value: 0.3 } } };
    const few = prototype('prompted');
    const shown = page({
      ...few,
      candidates: (few.candidates ?? []).map((one) => ({
        ...one,
        generator: { exported: exportedOf(one.id), search },
      })),
    });
    match(shown, /No prompt was enough for the target, and nothing was tuned/);
  });

  it('asks no more prompts than an evaluation does, and says nothing of time where none was taken', () => {
    const facts = prototype('prompted', { test: 80_000 });
    const { wholeAnswers } = sampleMaterial(facts);
    equal(wholeAnswers?.testPrompts, 5000);
    const { secondsAnAnswer: _, ...untimed } = facts.generation!.evaluation!;
    const before = { ...facts, generation: { ...facts.generation!, evaluation: untimed } };
    equal(sampleMaterial(before).wholeAnswers?.asking, null);
    ok(/told nothing not known/.test(page(before)));
  });
});
