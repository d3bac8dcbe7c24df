/** The licence decision from everything a source says about itself. Pure. */
import type { IntendedUse } from '../../pipelines/definition.ts';
import type { LicenceDecision } from '../contract.ts';
import { readCard } from '../review/card.ts';
import { decideLicence } from '../review/licence-policy.ts';

export interface LicenceSources {
  /** README.md, if the model has one. */
  readonly card: string | null;
  /** A wheel's METADATA: a second declaration, which may contradict the card. */
  readonly wheelMetadata: string | null;
}

/** Judges what card and package declare; where they disagree, all of it applies and a person decides: a conflict never allows. */
export function judgeLicence(sources: LicenceSources, use: IntendedUse): LicenceDecision {
  const card = readCard(sources.card ?? '');
  const ofCard = card.license === null ? [] : [card.license].flat();
  const ofWheel = wheelLicence(sources.wheelMetadata ?? '');
  const declared = [...ofCard, ...ofWheel];
  const decision = decideLicence(
    {
      declared: declared.length === 0 ? null : declared,
      licenceName: card.licenseName,
      licenceLink: card.licenseLink,
      note: card.note,
    },
    use,
  );
  // A card that cannot be read, or that names its licence in words only, is not overruled by the package's header.
  const unread =
    card.note ??
    (ofCard.length === 0 && card.licenseName !== null ? 'The card names its licence in words only.' : null);
  if (unread !== null && decision.verdict === 'allow') {
    return { ...decision, verdict: 'review', reasons: [...decision.reasons, unread] };
  }
  const agrees = ofWheel.every((id) => ofCard.some((other) => other.toLowerCase() === id.toLowerCase()));
  if (ofCard.length === 0 || agrees || decision.verdict === 'deny') return decision;
  return {
    ...decision,
    verdict: 'review',
    reasons: [
      ...decision.reasons,
      `The card declares ${ofCard.join(', ')}, the package that carries it ${ofWheel.join(', ')}.`,
    ],
    howToFix: [...decision.howToFix, 'find out which licence covers the weights, and approve or reject at the review'],
  };
}

/** `License-Expression` (PEP 639), else `License`, from a wheel's METADATA headers. */
function wheelLicence(metadata: string): string[] {
  const headers = metadata.split(/\r?\n\r?\n/, 1)[0] ?? '';
  for (const name of ['License-Expression', 'License']) {
    const found = new RegExp(`^${name}:[ \\t]*(\\S.*)$`, 'mi').exec(headers)?.[1]?.trim();
    if (found !== undefined) return [found];
  }
  return [];
}
