/** The languages of a base model, as its own card names them. */
import { parse } from 'yaml';

/** The `language` of the card's front matter; a card is a stranger's text, so whatever it is not is left out. */
export function languagesOf(card: string | undefined): readonly string[] {
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card ?? '')?.[1];
  if (yaml === undefined) return [];
  try {
    const { language } = parse(yaml, { maxAliasCount: 0 }) as { language?: unknown };
    const all = Array.isArray(language) ? (language as unknown[]) : [language];
    return all.filter((tag): tag is string => typeof tag === 'string' && /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(tag));
  } catch {
    return [];
  }
}
