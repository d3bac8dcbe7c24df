import { z } from 'zod';
import type { Exclusion } from '../../artifacts/votes.ts';
import { duration } from '../duration.ts';
import { role } from './values.ts';

/** Who is left out of an approval by default. */
export const EXCLUSIONS = ['run-starter', 'definition-author', 'policy-editor'] as const satisfies readonly Exclusion[];

const ApprovalRule = z.strictObject({
  /** Who must approve: `count` people of each role. One person fills one seat, whatever else they hold. */
  seats: z
    .array(z.strictObject({ role, count: z.int().min(1).max(20).default(1) }))
    .min(1)
    .max(20),
  /** From half of the timeout on, holders of these roles may fill any open seat, too. */
  escalateTo: z.array(role).default([]),
  /**
   * Who may decide although they are left out by default: nobody approves their own run, their own definition, or under
   * a licence policy that they edited last. The evidence tells what is lifted.
   */
  liftedExclusions: z.array(z.enum(EXCLUSIONS)).default([]),
  /** Waiting longer than this counts as a rejection; never as an approval. */
  timeout: duration.default('7d'),
});

export const ApprovalsSchema = z.strictObject({ review: ApprovalRule, release: ApprovalRule });
