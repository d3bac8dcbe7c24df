/** A word of the data as evidence may hold it: digits could be somebody's number. */
export function shownWord(word: string): string {
  return word.replaceAll(/\p{N}/gu, '#').slice(0, 40);
}
