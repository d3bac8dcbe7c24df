/** What callers send, in the parts that several routes take. Unknown fields are refused, not ignored. */
import { z } from 'zod';
import { Approval, Vote } from './answers.ts';

export const RunPath = z.object({ run: z.string().min(1).max(500) });
export const StepPath = RunPath.extend({ step: z.string().min(1).max(200) });
export const ApprovalPath = RunPath.extend({ approval: Approval });

/** A new run's id is part of URLs and commands. */
export const NewRunId = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'use up to 128 letters, digits, dots, dashes and underscores');

const Plain = z.union([z.string().max(1000), z.number(), z.boolean(), z.null()]);

export const SettingsByPath = z
  .record(z.string().max(200), z.union([Plain, z.array(Plain).max(1000)]))
  .describe('New values by dotted path of the definition, e.g. `training.learningRate`.');

/** The run's validator has the last word, on its length, too. */
export const Comment = z.string().max(4000).default('');

/** What the buttons of a decision's page send. */
export const Buttons = z.strictObject({
  decision: Vote,
  comment: Comment,
  onBehalfOf: z
    .string()
    .max(200)
    .optional()
    .transform((name) => (name === '' ? undefined : name)),
  breakGlass: z
    .literal('yes')
    .optional()
    .transform((said) => (said === undefined ? undefined : (true as const))),
});
