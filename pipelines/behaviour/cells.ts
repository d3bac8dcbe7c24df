/** What may stand in one cell of a table of behaviour tests. No I/O. */
import { z } from 'zod';

const MOST_TEXT_BYTES = 32_768;

const written = z
  .string()
  .refine((value) => Buffer.byteLength(value) <= MOST_TEXT_BYTES, `has more than ${MOST_TEXT_BYTES} bytes`)
  .refine((value) => !/\p{Surrogate}/u.test(value), 'is not valid UTF-8');

export const text = written.refine(isSeen, 'is empty');

/** Empty, and then undefined, where a text is the same as the one that it is compared with. */
export const changedText = written
  .refine((value) => isBlank(value) || isSeen(value), 'has nothing that can be seen')
  .transform((value) => (isBlank(value) ? undefined : value));

export const label = z
  .string()
  .transform((value) => value.normalize('NFC').trim())
  .refine((value) => value !== '', 'is empty');

const NO_LIST = 'must be a list of strings';
export const labels = z
  .array(
    z.string(NO_LIST).transform((value) => value.normalize('NFC').trim()),
    NO_LIST,
  )
  .refine((values) => values.every((value) => value !== ''), 'has an empty name')
  .refine((values) => new Set(values).size === values.length, 'has a label twice');

/** In CSV everything is text. */
export const share = (holds: (value: number) => boolean, message: string) =>
  z
    .union(
      [
        z.number(),
        z
          .string()
          .regex(/^\s*\d*\.?\d+\s*$/)
          .transform(Number),
      ],
      message,
    )
    .refine(holds, message);

/** What the probability of a label must not do from one input to the other. */
export const mustNot = z.enum(['fall', 'rise'], 'must be fall or rise');
/** What it may change all the same. */
export const by = share(
  (value) => value >= 0 && value < 1,
  'must be a number from 0, below 1: nothing changes by more than 1',
);

function isSeen(value: string): boolean {
  return /[^\s\p{C}]/u.test(value);
}

function isBlank(value: string): boolean {
  return value.trim() === '';
}
