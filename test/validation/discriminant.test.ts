import { equal, ok } from 'node:assert/strict';
import { discriminant } from '../../activities/validation/discriminant.ts';
import { principalPlaces } from '../../activities/validation/principal-components.ts';
import { seededRandom } from '../../activities/validation/random.ts';

describe('the discriminant', () => {
  it('finds between which numbers two sides lie, and of a mixture beyond what is alike', () => {
    const rows = [0, 1, 2, 3, 10, 11, 12, 13].map((value, at) => ({
      features: Float64Array.of(value),
      side: Number(at > 3),
    }));
    const plain = discriminant(rows);
    ok(plain(Float64Array.of(6)) < 0 && plain(Float64Array.of(7)) > 0);
    // Half of side 1 is like side 0: the middle between the means would be 3.25 or so, among those that are alike.
    const mixed = discriminant([
      ...rows,
      ...[0, 1, 2, 3].map((value) => ({ features: Float64Array.of(value), side: 1 })),
    ]);
    ok(mixed(Float64Array.of(5)) < 0 && mixed(Float64Array.of(8)) > 0);
  });

  it('weighs directions by the spread within, in both the same where the even spread is all there is', () => {
    // Both differ by 2 in each direction; the second spreads nine times as much.
    const rows = [-1, 1].flatMap((side) =>
      [-1, 1].flatMap((one) =>
        [-3, 3].map((other) => ({ features: Float64Array.of(side + one, side + other), side: Number(side > 0) })),
      ),
    );
    const marginOf = discriminant(rows);
    const along = (x: number, y: number): number => marginOf(Float64Array.of(x, y)) - marginOf(Float64Array.of(0, 0));
    // Spreads 1 and 9, their mean 5 added: 2 / 6 and 2 / 14.
    ok(Math.abs(along(1, 0) / along(0, 1) - 14 / 6) < 1e-9, `${along(1, 0)} and ${along(0, 1)}`);
  });
});

describe('principal components', () => {
  it('are the directions of most spread, whatever the rows are turned by', async () => {
    const random = seededRandom(4);
    // Spreads 5, 3 and 0.1 along three directions at right angles in eight dimensions.
    const directions = [
      [1, 1, 0, 0, 0, 0, 0, 0],
      [0, 0, 1, -1, 0, 0, 0, 0],
      [0, 0, 0, 0, 1, 1, 1, 1],
    ].map((direction) => direction.map((value) => value / Math.hypot(...direction)));
    const drawn = Array.from({ length: 300 }, () => [5, 3, 0.1].map((spread) => spread * random.normal()));
    const rows = drawn.map((along) =>
      Float32Array.from(
        { length: 8 },
        (_, at) => 7 + along.reduce((sum, value, one) => sum + value * directions[one]![at]!, 0),
      ),
    );
    const places = await principalPlaces(rows, 2, seededRandom(1));
    equal(places[0]!.length, 2);
    for (const component of [0, 1]) {
      const mean = drawn.reduce((sum, along) => sum + along[component]! / drawn.length, 0);
      const agreement = drawn.map(
        (along, row) => Math.abs(along[component]! - mean) - Math.abs(places[row]![component]!),
      );
      // Drawn directions are a little correlated, so that components lean a little.
      ok(Math.max(...agreement.map(Math.abs)) < 1, `component ${component}: ${Math.max(...agreement.map(Math.abs))}`);
    }
  });

  it('are as many as the rows have room for', async () => {
    const rows = [Float32Array.of(1, 0), Float32Array.of(0, 1), Float32Array.of(2, 2)];
    equal((await principalPlaces(rows, 32, seededRandom(1)))[0]!.length, 2);
  });
});
