/** YAML that somebody else wrote: plain data or a reason, in bounded time. Pure. */
import { parseDocument } from 'yaml';

/**
 * Aliases are refused (they can blow up a small text, and no card or policy needs them), tags are not resolved to
 * objects, a key may stand once.
 * @throws Error with one line that says why it cannot be read
 */
export function parseStrangersYaml(text: string): unknown {
  if (isNestedTooDeeply(text)) throw new Error(`is nested more than ${MAX_DEPTH} deep`);
  const document = parseDocument(text, {
    schema: 'core',
    customTags: [],
    merge: false,
    uniqueKeys: true,
    logLevel: 'silent',
  });
  const fault = document.errors[0];
  if (fault !== undefined) throw new Error(`is not valid YAML: ${fault.message.split('\n')[0]}`);
  return document.toJS({ maxAliasCount: 0 }) as unknown;
}

/** The parser's time grows with the square of the depth; real files have a handful of levels. */
const MAX_DEPTH = 100;

function isNestedTooDeeply(text: string): boolean {
  if (/^(?:[ \t]*[-?:][ \t]){100}/m.test(text)) return true;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** Bytes as text; undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
