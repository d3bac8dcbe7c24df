/** What a definition wants done about each kind of personal data. Pure. */
import { PII_KINDS, type PersonalDataPolicy, type PiiAction, type PiiKind } from '../../pipelines/definition/data.ts';

/** The kinds that this is to be done about. */
export function kindsTo(action: PiiAction, policy: PersonalDataPolicy): readonly PiiKind[] {
  return PII_KINDS.filter((kind) => action === (typeof policy === 'string' ? policy : (policy[kind] ?? 'warn')));
}
