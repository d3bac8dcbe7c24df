/**
 * Two of the paths (or of the folders above them) that are one name on a file system that ignores case or the Unicode
 * form, where the second would take the first one's place after the first was checked; undefined: there are none.
 */
export function collidingNames(paths: readonly string[]): readonly [string, string] | undefined {
  const known = new Map<string, string>();
  for (const path of paths) {
    const parts = path.split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const above = parts.slice(0, depth).join('/');
      const folded = above.normalize('NFC').toLowerCase().toUpperCase().normalize('NFC');
      const first = known.get(folded) ?? above;
      if (first !== above) return [first, above];
      known.set(folded, above);
    }
  }
  return undefined;
}
