import assert from 'node:assert/strict';
import { renderReport } from '../../activities/report/render.ts';
import { sampleFacts, sampleMaterial } from '../support/facts.ts';
import { render, wordsOf } from '../support/report-page.ts';

const { evaluation, training, candidates, selection } = sampleFacts;
assert.ok(evaluation && training && candidates && selection);

describe('the report', () => {
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
});
