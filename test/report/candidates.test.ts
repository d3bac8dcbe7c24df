import assert from 'node:assert/strict';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ConvertedWeights } from '../../activities/contract/selection.ts';
import { summarise } from '../../client/summary.ts';
import { renderReport } from '../../activities/report/render.ts';
import { sampleFacts, sampleMaterial } from '../support/facts.ts';
import { render, wordsOf } from '../support/report-page.ts';

const { training, candidates, selection } = sampleFacts;
assert.ok(training && candidates && selection);

describe('the report', () => {
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
});
