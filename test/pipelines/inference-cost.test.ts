import { deepEqual, equal, match } from 'node:assert/strict';
import { answerTime } from '../../pipelines/answer-time.ts';
import { costPer1000, pricedAnswers, missingPrice, slotPrice } from '../../pipelines/inference-cost.ts';

const PRICES = { currency: 'EUR', source: 'finance', perHour: { 'espalier-cpu': 0.36, 'espalier-gpu': 2 } };

describe('the cost of 1,000 inferences', () => {
  it('is their time one after the other, at the price of a slot of the queue that measures', () => {
    const price = slotPrice(PRICES);
    deepEqual(price, { queue: 'espalier-cpu', perHour: 0.36, currency: 'EUR', source: 'finance' });
    // 1,000 of 36 ms are 36 s, a hundredth of an hour.
    equal(costPer1000(36, price), 0.0036);
    equal(costPer1000(0, price), 0);
  });

  it('is not known without a price of that queue, or without a time', () => {
    equal(slotPrice(null), null);
    equal(slotPrice(undefined), null);
    equal(slotPrice({ ...PRICES, perHour: { 'espalier-gpu': 2 } }), null);
    equal(costPer1000(36, null), null);
    equal(costPer1000(undefined, slotPrice(PRICES)), null);
  });

  it('of a generator is of what its best prompt has it read and write, not of the short answers that were timed', () => {
    // Reading: 40 ms for 21 tokens, 20 of them beyond the one that a step of 10 ms reads; writing: 30 more tokens in 300 ms.
    const profile = {
      msPerToken: { p50: 9 },
      answer: { meanMs: 340, meanTokens: 31, firstMs: 40, promptTokens: 21 },
    };
    const under = (promptTokens: number, answerTokens: number) =>
      answerTime(profile, { promptTokens, answerTokens })?.ms;
    equal(under(21, 31), 340, 'asked as it was timed it takes what it took');
    equal(under(21, 128), 1310, 'a longer answer: 97 steps more');
    equal(under(221, 31), 640, 'a longer prompt: 200 tokens more to read');
    equal(under(1, 0), 10, 'nothing is written by a step, too');
    const terse = { ...profile, answer: { ...profile.answer, meanTokens: 1, meanMs: 40 } };
    equal(answerTime(terse, { promptTokens: 21, answerTokens: 2 })?.ms, 49, 'none wrote a second token: by its median');
    equal(answerTime({ msPerToken: { p50: 9 } }, { promptTokens: 21, answerTokens: 2 }), undefined);
  });

  it('of a generator says how long the answers are, and of an old record that they are those that were timed', () => {
    const answer = { meanMs: 340, meanTokens: 31, firstMs: 40, promptTokens: 21 };
    const profile = { msPerToken: { p50: 9 }, answer };
    const candidate = (answerTokens?: number) => ({
      generator: { profile, search: { best: { promptTokens: 50, answerTokens } } },
    });
    equal(
      pricedAnswers([candidate(57), candidate(112)], String),
      'answers of 57 to 112 tokens, as under the best prompt of each',
    );
    equal(pricedAnswers([candidate(57)], String), 'answers of 57 tokens, as under the best prompt of each');
    equal(pricedAnswers([candidate()], String), 'answers of 31 tokens, as they were timed, cut short');
    equal(answerTime(profile, { promptTokens: 50 })?.ms, 340, 'so that a run that is under way goes on as it began');
    equal(pricedAnswers([{}, { generator: {} }], String), '');
  });

  it('cannot be limited without a price: the field is named, with the way out', () => {
    equal(missingPrice({}, null), undefined);
    equal(missingPrice({ maxCostPer1000: 1 }, slotPrice(PRICES)), undefined);
    const missing = missingPrice({ maxCostPer1000: 0.5 }, null);
    equal(missing?.where, 'selection.maxCostPer1000');
    match(missing?.message ?? '', /is 0\.5, and the workers have no price of espalier-cpu/);
    match(missing?.fix ?? '', /ESPALIER_PRICES/);
  });
});
