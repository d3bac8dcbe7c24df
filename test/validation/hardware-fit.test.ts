import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { judgeGate } from '../../activities/validation/gates.ts';
import { hardwareFit } from '../../activities/validation/hardware-fit.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import type { IntendedUse } from '../../pipelines/licence/use.ts';
import { evaluateInput } from '../../workflows/step-inputs.ts';
import { sampleFacts } from '../support/facts.ts';

const FOOTPRINT = { processMb: 150, modelMb: 50, filesMb: 40 };
const verdictOn = (device: Parameters<typeof hardwareFit>[0]) =>
  judgeGate(
    'hardwareFit',
    GATE_TABLE.hardwareFit,
    hardwareFit(device, FOOTPRINT).score,
    GatesSchema.parse({}).hardwareFit,
  );

describe('the fit for a device', () => {
  it('is the share of what is scarcer', () => {
    equal(hardwareFit({ ramMb: 300, storageMb: 400, cores: 1 }, FOOTPRINT).score.value, 0.5);
    equal(hardwareFit({ ramMb: 1500, storageMb: 50 }, FOOTPRINT).score.value, 0.8);
    equal(hardwareFit({ storageMb: 400 }, FOOTPRINT).score.value, 0.1);
  });

  it('counts a copy of the model for each worker that a server has there: one a core, four at most', () => {
    const needed = (cores?: number) =>
      hardwareFit({ ramMb: 1000, ...(cores === undefined ? {} : { cores }) }, FOOTPRINT).parts.map(
        ({ neededMb, workers }) => [neededMb, workers],
      );
    deepEqual(needed(), [[300, 4]], 'where nobody says, the most');
    deepEqual(needed(1), [[150, 1]]);
    deepEqual(needed(2), [[200, 2]]);
    deepEqual(needed(64), [[300, 4]]);
  });

  it('fails on a device that is too small, passes with a tenth to spare, and is off where none is declared', () => {
    equal(verdictOn({ ramMb: 160, cores: 1 }).verdict, 'fail');
    equal(verdictOn({ ramMb: 170, cores: 1 }).verdict, 'pass');
    equal(verdictOn({ storageMb: 39 }).verdict, 'fail');
    for (const nothing of [undefined, {}, { cores: 8 }]) {
      const { verdict, reason } = verdictOn(nothing);
      equal(verdict, 'off');
      match(reason, /declares no memory or storage/);
    }
  });

  it('fails where what the model takes could not be measured', () => {
    const { score } = hardwareFit({ ramMb: 1000 }, { ...FOOTPRINT, processMb: Number.NaN });
    const limit = GatesSchema.parse({}).hardwareFit;
    equal(judgeGate('hardwareFit', GATE_TABLE.hardwareFit, score, limit).verdict, 'fail');
  });

  it('comes from the definition, but for an accelerator that nothing is served on', () => {
    const { pipeline } = sampleFacts;
    ok(pipeline.task === 'text-classification');
    const ref = { digest: `sha256:${'0'.repeat(64)}`, mediaType: 'x', size: 1, name: 'x' } as const;
    const of = (hardware?: IntendedUse['hardware']) =>
      evaluateInput(
        ref,
        { probe: ref },
        { classifier: ref, parityMaxAbs: 0 },
        { dataset: ref },
        { ...pipeline, intendedUse: { ...pipeline.intendedUse, hardware } },
      );
    deepEqual(of({ ramMb: 500, cores: 2, accelerator: { memoryMb: 80_000 } }).device, { ramMb: 500, cores: 2 });
    equal('device' in of(), false);
  });
});
