/** HTML by template: what is put in is text and gets escaped, unless it is HTML made here. The only way markup is made. */

export class Html {
  readonly markup: string;
  constructor(markup: string) {
    this.markup = markup;
  }
}

export type Content = Html | string | number | null | undefined | false | readonly Content[];

/** `html`<p>${text}</p>``: strings are escaped (in element content and double-quoted attributes), lists joined, nothing for null. */
export function html(parts: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(parts.map((part, index) => part + markup(values[index])).join(''));
}

function markup(value: Content): string {
  if (value instanceof Html) return value.markup;
  if (typeof value === 'string') return escapeText(value);
  if (typeof value === 'number') return String(value);
  // Anything else that a cast let through is not shown at all.
  return Array.isArray(value) ? value.map(markup).join('') : '';
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * Escapes text for element content and quoted attributes. Control characters and those that turn the reading direction
 * become visible: they can make a page read otherwise than it is (CVE-2021-42574, "Trojan Source").
 */
function escapeText(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
    .replaceAll(
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu,
      '\ufffd',
    );
}
