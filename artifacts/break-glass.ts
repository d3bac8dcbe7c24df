/**
 * A release that somebody broke the glass for carries that for ever: in its card, which people read, and in its bill of
 * materials, which machines read. The approved bundle stays as it was approved; the signed tree has the marked files in
 * their place, each a function of the approved bytes and the votes alone, so that who verifies can make them again. Pure.
 */
import { parsedJson } from './dsse.ts';
import { EspalierError } from './errors.ts';
import type { Vote } from './release.ts';

export const CARD_FILE = 'MODEL_CARD.md';
export const BOM_FILE = 'bom.cdx.json';

export type BrokenGlass = Pick<Vote, 'approval' | 'approver' | 'comment' | 'at'>;

/** The votes that broke it, and still count. */
export function brokenGlass(
  votes: readonly (BrokenGlass & Pick<Vote, 'breakGlass' | 'voided'>)[],
): readonly BrokenGlass[] {
  return votes
    .filter(({ breakGlass, voided }) => breakGlass === true && voided === undefined)
    .map(({ approval, approver, comment, at }) => ({ approval, approver, comment, at }));
}

/** How each file that carries the mark is made from the approved one, by path; empty where no glass was broken. */
export function marksOf(broken: readonly BrokenGlass[]): Readonly<Record<string, (approved: string) => string>> {
  if (broken.length === 0) return {};
  return { [CARD_FILE]: (card) => markedCard(card, broken), [BOM_FILE]: (bom) => markedBom(bom, broken) };
}

const FRONT_MATTER = /^---\n[^]*?\n---\n/;

/** The mark stands first, after the front matter: nobody reads the card without it. */
function markedCard(card: string, broken: readonly BrokenGlass[]): string {
  const [head = ''] = FRONT_MATTER.exec(card) ?? [];
  const lines = broken.map(
    ({ approval, approver, comment, at }) =>
      `> **Released by breaking the glass.** ${oneLine(approver)} approved the ${approval} alone at ${at}, in place of everybody whose approval it needs: ${oneLine(comment)}\n`,
  );
  return `${head}\n${lines.join('>\n')}\n${card.slice(head.length).replace(/^\n+/, '')}`;
}

/** CycloneDX 1.6 has `metadata.properties` for what is said of the bill as a whole. */
function markedBom(text: string, broken: readonly BrokenGlass[]): string {
  const bom = parsedJson(text) as { metadata?: { properties?: readonly object[] } } | undefined;
  if (bom === undefined) throw new EspalierError('BadData', `${BOM_FILE} is no JSON`, { where: BOM_FILE });
  const properties = broken.map(({ approval, approver, comment, at }) => ({
    name: `espalier:breakGlass:${approval}`,
    value: `${approver} at ${at}: ${comment}`,
  }));
  const metadata = { ...bom.metadata, properties: [...(bom.metadata?.properties ?? []), ...properties] };
  return `${JSON.stringify({ ...bom, metadata }, null, 2)}\n`;
}

/** What a person wrote stays one line of the quotation, and no markup. */
function oneLine(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replaceAll(/[\\`*_[\]<>|#]/g, '\\$&');
}
