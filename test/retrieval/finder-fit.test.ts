import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { finderFit, type FinderFootprint } from '../../activities/retrieval/finder-fit.ts';
import { retrievalVerdict } from '../../activities/retrieval/judge-retrieval.ts';
import { judgeGate } from '../../activities/validation/gates.ts';
import { RetrievalGatesSchema } from '../../pipelines/definition/retrieval.ts';
import { RETRIEVAL_GATE_TABLE } from '../../pipelines/gates/retrieval.ts';
import { retrieval } from '../support/retrieval-facts.ts';

const FOOTPRINT: FinderFootprint = { processMb: 400, encoderMb: 100, graphMb: 50, vectorsMb: 80, filesMb: 140 };
const gates = RetrievalGatesSchema.parse({});

describe('the fit of a finder for a device', () => {
  const neededMb = (cores: number | undefined, more: Partial<FinderFootprint> = {}) =>
    finderFit({ ramMb: 10_000, ...(cores === undefined ? {} : { cores }) }, { ...FOOTPRINT, ...more }).parts[0]!
      .neededMb;

  it('counts the encoder once more for each other worker, up to four, and the index once', () => {
    deepEqual(
      [1, 2, 4, 64, undefined].map((cores) => neededMb(cores)),
      [580, 680, 880, 880, 880],
    );
  });

  it('counts the copy that an index is read into whole, however many encoders come after it', () => {
    deepEqual([neededMb(1, { vectorsMb: 130 }), neededMb(2, { vectorsMb: 130 })], [630, 730]);
  });

  it('is at or above what a server had, with one, two and four workers, galleries of 2,000 and 50,000, and a graph of 10,000', () => {
    // bench/finder-memory.ts; process and encoder worked back from the rounded sums it gave.
    const measured: readonly (readonly [Partial<FinderFootprint>, readonly number[]])[] = [
      [{ processMb: 245, encoderMb: 145.3, graphMb: 34, vectorsMb: 8.192 }, [337, 472, 745]],
      [{ processMb: 452.6, encoderMb: 139.5, graphMb: 34, vectorsMb: 204.8 }, [712, 761, 1025]],
      [{ processMb: 313, encoderMb: 129, graphMb: 34, vectorsMb: 41 }, [402, 527, 771]],
    ];
    for (const [footprint, had] of measured) {
      for (const [at, cores] of [1, 2, 4].entries()) {
        const needed = neededMb(cores, footprint);
        ok(needed >= had[at]! && needed < 1.2 * had[at]!, `${cores} workers: ${needed} of ${had[at]}`);
      }
    }
  });

  it('is judged by the scarcer of memory and storage, fails unmeasured, and is off where neither is declared', () => {
    const verdict = (device: Parameters<typeof finderFit>[0], more: Partial<FinderFootprint> = {}) => {
      const { score } = finderFit(device, { ...FOOTPRINT, ...more });
      return judgeGate('hardwareFit', RETRIEVAL_GATE_TABLE.hardwareFit, score, gates.hardwareFit);
    };
    equal(verdict({ ramMb: 650, cores: 1 }).verdict, 'pass');
    equal(verdict({ ramMb: 650, cores: 2 }).verdict, 'fail');
    equal(verdict({ ramMb: 10_000, storageMb: 150 }).verdict, 'fail');
    for (const lost of ['processMb', 'encoderMb', 'vectorsMb'])
      equal(verdict({ ramMb: 10_000 }, { [lost]: Number.NaN }).verdict, 'fail', lost);
    const none = verdict({ cores: 2 });
    equal(none.verdict, 'off');
    match(none.reason, /declares no memory or storage/);
  });

  it('is not asked of a run that began before there was the gate', () => {
    const { hardwareFit: _, ...before } = gates;
    const { hardwareFit: __, ...measures } = retrieval.measures;
    const verdict = retrievalVerdict({ measures, gates: before } as unknown as Parameters<typeof retrievalVerdict>[0]);
    equal(verdict.verdict, 'pass');
    equal(
      verdict.gates.find(({ name }) => name === 'hardwareFit'),
      undefined,
    );
  });
});
