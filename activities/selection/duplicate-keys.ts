/**
 * Whether any object in a JSON text names a key twice; JSON.parse keeps the last and says nothing. The text must already
 * have parsed. Keys are compared after unescaping, so that "\u0061" is "a".
 */
export function hasDuplicateKeys(json: string): boolean {
  // Brackets and the beginnings of strings; the rest of valid JSON is of no interest. Strings are walked by hand: a
  // pattern that repeats an alternative overflows its stack on a string of megabytes.
  const tokens = /["{}[\]]/g;
  const open: (Set<string> | null)[] = [];
  for (let match = tokens.exec(json); match !== null; match = tokens.exec(json)) {
    const token = match[0];
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else {
      tokens.lastIndex = endOfString(json, match.index);
      const keys = open.at(-1);
      if (!isKey(json, tokens.lastIndex) || keys === null || keys === undefined) continue;
      const key = JSON.parse(json.slice(match.index, tokens.lastIndex)) as string;
      if (keys.has(key)) return true;
      keys.add(key);
    }
  }
  return false;
}

/** Behind the closing quote of the string that begins at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at + 1;
}

function isKey(json: string, behind: number): boolean {
  let at = behind;
  while (json[at] === ' ' || json[at] === '\n' || json[at] === '\r' || json[at] === '\t') at++;
  return json[at] === ':';
}
