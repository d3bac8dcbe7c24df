/** Kinds of values that a definition is made of. */
import { z } from 'zod';

export const name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'use 1–63 lower-case letters, digits and dashes, starting with a letter or digit',
  );
export const fraction = z.number().min(0).max(1);
export const role = z.string().regex(/^[a-z][a-z0-9-]*$/, "write a role like 'legal' or 'product-owner'");
export const seed = z
  .int()
  .min(0)
  .max(2 ** 31 - 1)
  .default(7);

/** Up to four shares of something, each larger than the one before. */
export const ascendingShares = z
  .array(fraction.positive())
  .min(1)
  .max(4)
  .refine((shares) => shares.every((share, at) => at === 0 || share > (shares[at - 1] ?? 0)), {
    error: ({ input }) => {
      const shares = input as readonly number[];
      const ascending = [...new Set(shares)].toSorted((a, b) => a - b);
      return `must be shares of which each is larger than the one before, got [${shares.join(', ')}]: write [${ascending.join(', ')}]`;
    },
  });
