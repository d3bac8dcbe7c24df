/** What a model of texts is asked: one text, or two that belong together (a claim and its source, two questions). Pure. */

export type TextPair = readonly [text: string, pair: string];
export type TextInput = string | TextPair;

/** A row of a dataset, or of a request, as the model is asked it. */
export function textInput(text: string, pair: string | undefined): TextInput {
  return pair === undefined ? text : [text, pair];
}

/** Each text by itself. */
export function textsOf(input: TextInput): readonly [text: string, ...pair: string[]] {
  return typeof input === 'string' ? [input] : input;
}

/** The same edit made to each of the texts. */
export function editTexts(input: TextInput, edit: (text: string) => string): TextInput {
  return typeof input === 'string' ? edit(input) : [edit(input[0]), edit(input[1])];
}

/** All that is written, for what counts words or shows texts to people: the two of a pair on lines of their own. */
export function wholeText(input: TextInput): string {
  return textsOf(input).join('\n');
}

/** Unicode characters of all texts: how monitoring counts lengths. */
export function codePoints(input: TextInput): number {
  return textsOf(input).reduce((sum, text) => sum + Array.from(text).length, 0);
}

/** Whether two inputs are one. */
export function sameInput(one: TextInput, other: TextInput): boolean {
  const [texts, others] = [textsOf(one), textsOf(other)];
  return texts.length === others.length && texts.every((text, place) => text === others[place]);
}
