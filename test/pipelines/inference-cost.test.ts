import { deepEqual, equal, match } from 'node:assert/strict';
import { costPer1000, missingPrice, slotPrice } from '../../pipelines/inference-cost.ts';

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

  it('cannot be limited without a price: the field is named, with the way out', () => {
    equal(missingPrice({}, null), undefined);
    equal(missingPrice({ maxCostPer1000: 1 }, slotPrice(PRICES)), undefined);
    const missing = missingPrice({ maxCostPer1000: 0.5 }, null);
    equal(missing?.where, 'selection.maxCostPer1000');
    match(missing?.message ?? '', /is 0\.5, and the workers have no price of espalier-cpu/);
    match(missing?.fix ?? '', /ESPALIER_PRICES/);
  });
});
