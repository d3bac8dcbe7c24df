/** What a run may cost, and a run that is only a trial. */
import { z } from 'zod';
import { duration } from '../duration.ts';
import { seed } from './values.ts';

export const BudgetSchema = z
  .strictObject({
    /** From the run's start to the end of its training, waiting for people not counted. */
    time: duration.optional(),
    /** In the currency of the prices (ESPALIER_PRICES), for steps of queues that have one. */
    money: z.number().positive().optional(),
  })
  .refine(
    ({ time, money }) => time !== undefined || money !== undefined,
    'names neither a time nor an amount of money',
  );

/**
 * The whole run on a small stratified part of the data (`espalier run --prototype`). What comes of it is marked as a
 * prototype in every record, and no channel called production ever takes it.
 */
export const PrototypeRunSchema = z.strictObject({
  trainRows: z.int().min(10).default(200),
  /** Of validation and of test, each. */
  measuredRows: z.int().min(10).default(200),
  seed,
});
