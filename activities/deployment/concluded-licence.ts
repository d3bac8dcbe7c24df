import { findLicence } from '../../pipelines/licence/rows.ts';
import type { LicenceDecision } from '../contract/review.ts';

/** An SPDX id where SPDX lists the licence, else the name that it goes by. */
export type ConcludedLicence = { readonly id: string } | { readonly name: string };

/**
 * The most restrictive licence of model, source and parents: what the tuned model is under, whatever its base declares.
 * null while one of them is unknown: nothing is concluded then.
 */
export function concludedLicence({ concluded, spdx }: LicenceDecision): ConcludedLicence | null {
  // Decisions from before parents were looked at have only what was declared.
  const id = concluded === undefined ? spdx : concluded;
  if (id === null) return null;
  const listed = concluded === undefined ? spdx : (findLicence(id)?.licence.spdx ?? null);
  return listed === null || listed.startsWith('LicenseRef-') ? { name: id } : { id: listed };
}
