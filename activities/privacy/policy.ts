/** What a definition wants done about each kind of personal data. Pure. */
import { PII_KINDS, type PiiAction, type PiiKind } from '../../pipelines/definition/data.ts';
import type { Pipeline } from '../../pipelines/definition.ts';

export type PrivacyPolicy = Pipeline['data']['onPersonalData'];

/** The kinds that this is to be done about. */
export function kindsTo(action: PiiAction, policy: PrivacyPolicy): readonly PiiKind[] {
  return PII_KINDS.filter((kind) => action === (typeof policy === 'string' ? policy : (policy[kind] ?? 'warn')));
}
