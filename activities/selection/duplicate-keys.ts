/**
 * Whether any object in a JSON text names a key twice; JSON.parse keeps the last and says nothing. The text must already
 * have parsed. Keys are compared after unescaping, so that "\u0061" is "a".
 */
export function hasDuplicateKeys(json: string): boolean {
  // Every string, with the colon that makes it a key, and every bracket; the rest of valid JSON is of no interest.
  const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/gs;
  const open: (Set<string> | null)[] = [];
  for (const match of json.matchAll(tokens)) {
    const token = match[0];
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(null);
    else if (token === '}' || token === ']') open.pop();
    else if (match[1] !== undefined) {
      const key = JSON.parse(token.slice(0, token.length - match[1].length)) as string;
      const keys = open.at(-1);
      if (keys?.has(key)) return true;
      keys?.add(key);
    }
  }
  return false;
}
