import assert from 'node:assert/strict';
import { costOf } from '../../activities/report/cost.ts';
import { prototypesSection } from '../../activities/report/sections/prototypes.ts';
import type { ReportInput } from '../../activities/report/page.ts';
import type { Prototyped, RungResult } from '../../activities/contract/prototype.ts';
import { choosePrototyped } from '../../activities/selection/choosing.ts';
import { worthOf } from '../../activities/report/worth.ts';
import { sampleFacts } from '../support/facts.ts';
import { frame } from '../../activities/report/page.ts';

const result = (candidate: string, rung: number, trainRows: number, accuracy: number | null): RungResult => ({
  candidate,
  rung,
  trainRows,
  validationRows: 260,
  accuracy,
  seconds: accuracy === null ? null : 5 + trainRows / 10,
  ...(accuracy === null ? { error: 'out of <memory>' } : {}),
});

function choiceOf(results: readonly RungResult[], stopped?: string) {
  return choosePrototyped({
    selection: { winner: 'a', ranking: [], rule: 'x', shortlist: ['a', 'b', 'c'] },
    results,
    left: [{ candidate: 'c', reason: 'It failed on rung 1.' }],
    measured: [],
    fullRows: 2000,
    epochsFactor: 1,
    tolerance: 0.01,
    seed: 7,
    ...(stopped === undefined ? {} : { stopped }),
  });
}

function pageOf(results: readonly RungResult[], stopped?: string, devices = 1, changes: object = {}): string {
  return showing(choiceOf(results, stopped).prototyped, devices, changes);
}

function showing(prototyped: Prototyped, devices = 1, changes: object = {}): string {
  const prices = { version: 1, currency: 'EUR', source: 'test', perHour: { 'espalier-gpu': 3.6 } } as const;
  const cost = { ...costOf(sampleFacts, null, prices), devices };
  const input = {
    facts: { ...sampleFacts, ...changes, prototyped },
    cost,
    worth: worthOf(prototyped, cost),
  } as ReportInput;
  return frame(prototypesSection, prototypesSection.body(input)).markup.replaceAll(/\s+/g, ' ');
}

describe('the page on prototypes', () => {
  it('says why this candidate, draws the curves, and predicts accuracy, time and cost at all rows', () => {
    const page = pageOf([
      result('a', 1, 100, 0.6),
      result('b', 1, 100, 0.7),
      result('c', 1, 100, null),
      result('b', 2, 400, 0.8),
    ]);
    assert.match(
      page,
      /<strong>b is the one that was left: 80\.0 % on validation after 400 training rows; not a, which led/,
    );
    assert.match(page, /id="prototypes-plot-title"/);
    // Two thirds of the error at four times the rows: 0.2 · 5^−0.292 at five times as many again.
    assert.match(page, /87\.5 %<small >[\d.]+ % to [\d.]+ %, by a curve without a floor/);
    assert.match(page, /about 3 min 25 s, 0\.2[01] EUR/);
    assert.match(
      page,
      /the curve predicts 7\.5 points more \(-1\.3 to 14\.1\).*is not shown: what it brings is within the noise/,
    );
    assert.match(page, /failed \(out of &lt;memory&gt;\)/);
    assert.ok(!page.includes('NaN') && !page.includes('undefined'));
  });

  it('says of two rungs which of floor and decay was taken as given, by the curve that was recorded', () => {
    const noteOf = (last: number, curve: object = {}): string => {
      const { prototyped } = choiceOf([result('a', 1, 100, 0.6), result('a', 2, 400, last)]);
      const curves = prototyped.curves.map((one) => ({ ...one, curve: { ...one.curve!, ...curve } }));
      return /[\d.]+ % to [\d.]+ %(?:, (by [^<]*))?</.exec(showing({ ...prototyped, curves }))?.[1] ?? 'nothing';
    };
    const noFloor = 'by a curve without a floor: two rungs cannot show one';
    const ownDecay = 'by a curve with an assumed decay: two rungs cannot show it beside a floor';
    const level = 'by a level curve: the second rung brought no gain';
    for (const last of [0.65, 0.7, 0.99, 1]) assert.equal(noteOf(last), noFloor, String(last));
    assert.equal(noteOf(0.605), ownDecay);
    for (const last of [0.6, 0.58]) assert.equal(noteOf(last), level, String(last));
    // As version 6 of the choice recorded it.
    assert.equal(noteOf(0.7, { floor: 0.2, scale: 2, decay: 0.5 }), ownDecay);
    assert.equal(noteOf(0.7, { assumed: false }), 'nothing');
  });

  it('reckons with all devices that a training holds', () => {
    const page = pageOf([result('b', 1, 100, 0.7), result('b', 2, 400, 0.8)], undefined, 4);
    assert.match(page, /about 3 min 25 s, 0\.82 EUR/);
  });

  it('says what a point of all rows costs, that there is none, or that one rung tells nothing', () => {
    const verdictOf = (...accuracies: readonly number[]) =>
      pageOf(accuracies.map((accuracy, rung) => result('a', rung + 1, 100 * 4 ** rung, accuracy)));
    // 205 seconds at 3.6 EUR an hour are 0.2 EUR.
    assert.match(verdictOf(0.5, 0.7), /worth its cost where a point is worth more than 0\.02 EUR/);
    assert.match(verdictOf(0.9, 0.7), /is not shown: more rows brought nothing from rung to rung/);
    assert.match(verdictOf(1, 1), /is not shown: more rows brought nothing/);
    assert.match(verdictOf(0.8), /all 2.000 training rows are worth their cost is not predicted: one rung is no curve/);
  });

  it('says of a prototype of the whole run alone that what was timed holds for all rows', () => {
    const results = [result('a', 1, 100, 0.6), result('a', 2, 400, 0.8)];
    assert.doesNotMatch(pageOf(results), /are not extrapolated/);
    const pipeline = { ...sampleFacts.pipeline, prototype: { trainRows: 400, measuredRows: 260, seed: 7 } };
    assert.match(
      pageOf(results, undefined, 1, { pipeline }),
      /Latency, memory and size are not extrapolated: .* weights of the same shape/,
    );
    const { evaluation: _, ...early } = sampleFacts;
    assert.doesNotMatch(pageOf(results, undefined, 1, { ...early, evaluation: undefined, pipeline }), /extrapolated/);
  });

  it('says what the budget left out, and is silent where there were none', () => {
    assert.match(pageOf([result('a', 1, 100, 0.6)], 'the time budget of 1m had ended'), /stopped.*time budget of 1m/);
    const input = { facts: sampleFacts, cost: costOf(sampleFacts, null) } as ReportInput;
    assert.equal(prototypesSection.body(input), null);
  });
});
