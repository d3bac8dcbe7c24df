/** Pictures that training nearly knows are worth nothing for measuring: counted, and kept apart on demand. Pure. */
import { EspalierError } from '../../../artifacts/errors.ts';
import type { ImageData } from '../../../pipelines/definition/data.ts';
import type { Contamination } from '../../contract/data.ts';
import type { Sides } from '../contamination.ts';
import { nearHashGroups } from './near-hash-groups.ts';
import type { CheckedPicture } from './read-sources.ts';

type Policy = ImageData['nearDuplicates'];

/** Rows whose `near` is that of all they look nearly like: the split keeps them together. */
export async function keepLikesTogether(
  rows: readonly CheckedPicture[],
  { distance }: Policy,
  signal: AbortSignal,
): Promise<readonly CheckedPicture[]> {
  const groups = await nearHashGroups(
    rows.map(({ hash }) => hash),
    distance,
    signal,
  );
  const smallest = new Map<number, string>();
  for (const [index, { near }] of rows.entries()) {
    const known = smallest.get(groups[index] as number) ?? near;
    smallest.set(groups[index] as number, near < known ? near : known);
  }
  return rows.map((row, index) => ({ ...row, near: smallest.get(groups[index] as number) ?? row.near }));
}

/** Takes out of train what validation or test nearly have, and out of validation what test has. */
export function dropLikes(sides: Sides<CheckedPicture>): {
  readonly sides: Sides<CheckedPicture>;
  readonly dropped: readonly CheckedPicture[];
} {
  const tested = new Set(sides.test.map(({ near }) => near));
  const validation = sides.validation.filter(({ near }) => !tested.has(near));
  const measured = new Set([...tested, ...validation.map(({ near }) => near)]);
  const train = sides.train.filter(({ near }) => !measured.has(near));
  return {
    sides: { train, validation, test: sides.test },
    dropped: [
      ...sides.train.filter(({ near }) => measured.has(near)),
      ...sides.validation.filter(({ near }) => tested.has(near)),
    ],
  };
}

/** Of rows from `keepLikesTogether`. Throws BadData where the policy refuses near duplicates. */
export function measureLikes(sides: Sides<CheckedPicture>, policy: Policy, dropped: number): Contamination {
  const learned = new Set(sides.train.map(({ near }) => near));
  const judged = new Set([...learned, ...sides.validation.map(({ near }) => near)]);
  const nearTwins = {
    validation: sides.validation.filter(({ near }) => learned.has(near)).length,
    test: sides.test.filter(({ near }) => judged.has(near)).length,
  };
  if (policy.action === 'fail' && nearTwins.validation + nearTwins.test > 0) {
    throw new EspalierError('BadData', likesMessage(nearTwins, policy), {
      where: 'data.nearDuplicates',
      fix: "remove them from one side, or set data.nearDuplicates.action to 'separate'",
    });
  }
  // All pairs within the distance are found: none is missed by chance.
  return { similarity: 1 - policy.distance / 64, missRate: 0, nearTwins, dropped, evaluation: [] };
}

export function likesMessage({ validation, test }: Contamination['nearTwins'], { distance }: Policy): string {
  return `${validation} validation and ${test} test pictures look nearly like one of an earlier split (difference hash within ${distance} of 64 bits): scores will look better than they are`;
}
