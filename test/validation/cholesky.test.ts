import { deepEqual } from 'node:assert/strict';
import { choleskyOf, solveLower, solveUpper } from '../../activities/validation/cholesky.ts';

const rounded = (values: Float64Array): number[] => [...values].map((value) => Number(value.toFixed(9)));

describe("Cholesky's factor", () => {
  // numpy.linalg.cholesky and numpy.linalg.solve of [[4, 2, 1], [2, 5, 3], [1, 3, 6]].
  const square = Float64Array.of(4, 2, 1, 2, 5, 3, 1, 3, 6);

  it("is numpy's, and solves as numpy does", () => {
    const lower = choleskyOf(square, 3);
    deepEqual(rounded(lower), [2, 0, 0, 1, 2, 0, 0.5, 1.25, 2.046338193]);
    const solved = Float64Array.of(1, 2, 3);
    solveLower(lower, solved);
    solveUpper(lower, solved);
    deepEqual(rounded(solved), [0.089552239, 0.104477612, 0.432835821]);
  });
});
