import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { cacheMbOf, generatorFit, type GeneratorFootprint } from '../../activities/generation/generator-fit.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { MOST_TURNS } from '../../inference/workers.ts';
import { GenerationGatesSchema } from '../../pipelines/definition/generation-gates.ts';
import { GENERATION_GATE_TABLE } from '../../pipelines/gates/generation.ts';

const config = { layers: 10, keyValueHeads: 5, headSize: 50, contextTokens: 1000 };
/** 20,000 bytes a token. */
const PER_TOKEN_MB = 0.02;
const FOOTPRINT: GeneratorFootprint = {
  config,
  processMb: 500,
  workerMb: 400,
  filesMb: 210,
  graphMb: 200,
  promptTokens: 300,
  newTokens: 64,
  maxNewTokens: 64,
};
const neededMb = (cores: number | undefined, more: Partial<GeneratorFootprint> = {}) => {
  const device = { ramMb: 10_000, ...(cores === undefined ? {} : { cores }) };
  return generatorFit(device, { ...FOOTPRINT, ...more }).fit!.parts[0]!.neededMb;
};
const near = (measured: number, expected: number) => ok(Math.abs(measured - expected) < 1e-6, `${measured}`);

describe('the fit of a generator for a device', () => {
  it('reckons with the process, the file that it was read from, what a server has around its workers, and what a worker takes once more for each other core, up to four', () => {
    deepEqual(
      [1, 2, 4, 64, undefined].map((cores) => neededMb(cores)),
      [750, 1150, 1950, 1950, 1950],
    );
  });

  it('counts the caches of what is answered and was not written when memory was measured, of all turns and of the one that is read', () => {
    const caches = (tokens: number) => (MOST_TURNS + 1) * tokens * PER_TOKEN_MB;
    near(neededMb(1, { maxNewTokens: 264 }), 750 + caches(200));
    near(neededMb(2, { maxNewTokens: 264 }), 1150 + 2 * caches(200));
    near(cacheMbOf(config, 100), 100 * PER_TOKEN_MB);
  });

  it('counts no more tokens than the context has', () => {
    const { fit } = generatorFit({ ramMb: 10_000 }, { ...FOOTPRINT, promptTokens: 950, maxNewTokens: 4096 });
    equal(fit?.tokens, 1000);
    near(neededMb(1, { promptTokens: 950, maxNewTokens: 4096 }), 750);
    near(neededMb(1, { promptTokens: 900, maxNewTokens: 4096 }), 750 + (MOST_TURNS + 1) * 36 * PER_TOKEN_MB);
  });

  it('is at or above what a server had that was compiled, with one worker and caches small and large', () => {
    // The Llamas of bench/generator-memory.ts in a pool that was compiled, 1,275 tokens read and 256 written by four at once.
    const llama = { layers: 8, headSize: 64, contextTokens: 1536 };
    const measured = [
      { keyValueHeads: 8, process: [685.2, 614.6], graphMb: 102.5, had: 856.2 },
      { keyValueHeads: 2, process: [438.3, 359.7], graphMb: 90, had: 558.7 },
    ];
    for (const { keyValueHeads, process: [processMb, workerMb] = [], graphMb, had } of measured) {
      const footprint = { processMb: processMb!, workerMb: workerMb!, graphMb, promptTokens: 1275, newTokens: 64 };
      const needed = neededMb(1, { ...footprint, config: { ...llama, keyValueHeads }, maxNewTokens: 256 });
      ok(needed >= had && needed < 1.1 * had, `${keyValueHeads} heads: ${needed} of ${had}`);
    }
  });

  it('is judged by the scarcer of memory and storage, and not where neither is declared', () => {
    const verdict = (device: Parameters<typeof generatorFit>[0]) =>
      judgeGate(
        'hardwareFit',
        GENERATION_GATE_TABLE.hardwareFit,
        generatorFit(device, FOOTPRINT).score,
        GenerationGatesSchema.parse({}).hardwareFit,
      );
    equal(verdict({ ramMb: 850, cores: 1 }).verdict, 'pass');
    equal(verdict({ ramMb: 1000, cores: 2 }).verdict, 'fail');
    equal(verdict({ ramMb: 10_000, storageMb: 220 }).verdict, 'fail');
    const none = verdict({ cores: 2 });
    equal(none.verdict, 'off');
    match(none.reason, /declares no memory or storage/);
    equal(generatorFit({ cores: 2 }, FOOTPRINT).fit, null);
  });
});
