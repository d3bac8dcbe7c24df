/** What an organisation says that its machines cost. Nothing is assumed: without it a report has no money in it. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { EspalierError } from '../../artifacts/errors.ts';

const amount = z.number().nonnegative().max(1e9);

const PricesSchema = z.strictObject({
  version: z.literal(1),
  /** ISO 4217. */
  currency: z.string().regex(/^[A-Z]{3}$/, 'write an ISO 4217 code such as EUR'),
  /** Where the prices are from: it stands beside every sum. */
  source: z.string().min(1).max(200),
  /** One slot of a queue (`espalier-cpu`), or one device of `espalier-gpu`, for an hour. */
  perHour: z.record(z.string().regex(/^espalier[a-z-]*$/), amount),
  perGigabyteMonth: amount.optional(),
});
export type Prices = z.output<typeof PricesSchema>;

/** The prices in the file that `ESPALIER_PRICES` names (YAML or JSON). Throws BadConfig naming the field. */
export async function readPrices(
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ readonly prices?: Prices }> {
  const path = env['ESPALIER_PRICES'];
  if (path === undefined || path === '') return {};
  try {
    return { prices: PricesSchema.parse(parse(await readFile(path, 'utf8'), { maxAliasCount: 0 })) };
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new EspalierError('BadConfig', `the prices in ${path} cannot be used: ${why}`, {
      where: 'ESPALIER_PRICES',
      fix: 'see docs/operating.md, "What a run costs", or unset it: reports then have no money in them',
      cause: error,
    });
  }
}
