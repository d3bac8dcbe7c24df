import { deepEqual } from 'node:assert/strict';
import { ridgeWithout } from '../../activities/validation/multi-label/without-rows.ts';

describe('a regression that never saw some rows', () => {
  const known = {
    embeddings: Float32Array.of(1, 0, 2, 1, 0, 3, 4, 1, 3, 3, 1, 5, 6, 2, 2, 2),
    targets: Uint8Array.of(1, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0),
  };
  const rounded = (values: Float64Array): number[] => [...values].map((value) => Number(value.toFixed(9)));

  it('tells them what numpy does where it is fitted on the others', async () => {
    // numpy.linalg.solve of the others' normal equations, on columns standardised by all, penalty 3 and none of the bias.
    const told = await ridgeWithout(known, { dimension: 2, labels: 2, l2: 1.5 });
    deepEqual(rounded(told([0])), [0.11284876, 0.288841163]);
    deepEqual(rounded(told([2, 5])), [0.621399491, -0.242798982, 0.594817115, -0.18963423]);
    const three = [0.501147481, 0.469288356, 0.43359556, 0.754409347, -0.020471331, 0.753112179];
    deepEqual(rounded(told([1, 4, 6])), three);
  });

  it('tells of a number that is the same in all rows as if it were none', async () => {
    const same = {
      ...known,
      embeddings: Float32Array.from({ length: 24 }, (_, at) =>
        at % 3 === 2 ? 7 : known.embeddings[Math.floor(at / 3) * 2 + (at % 3)]!,
      ),
    };
    const told = await ridgeWithout(same, { dimension: 3, labels: 2, l2: 1.5 });
    deepEqual(rounded(told([0])), [0.11284876, 0.288841163]);
  });
});
