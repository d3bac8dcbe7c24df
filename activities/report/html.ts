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
export function escapeText(text: string): string {
  return text
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character)
    .replaceAll(
      /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]/gu,
      '\ufffd',
    );
}

export interface Column<Row> {
  readonly title: string;
  /** Right-aligned, in figures of one width. */
  readonly numeric?: boolean;
  readonly cell: (row: Row, index: number) => Content;
}

/** A table with a caption; its first column heads the rows. Scrolls by itself where the window is narrow. */
export function table<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): Html {
  const kind = (column: Column<Row>) => (column.numeric === true ? html` class="number"` : '');
  const cell = (row: Row, index: number) => (column: Column<Row>, place: number) =>
    place === 0
      ? html`<th scope="row" ${kind(column)}>${column.cell(row, index)}</th>`
      : html`<td${kind(column)}>${column.cell(row, index)}</td>`;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col" ${kind(column)}>${column.title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row, index) =>
            html`<tr>
              ${columns.map(cell(row, index))}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Names and values. */
export function facts(entries: readonly (readonly [name: string, value: Content])[]): Html {
  return html`<dl>
    ${entries.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div> `,
    )}
  </dl>`;
}

export function list(items: readonly Content[]): Html {
  return items.length === 0
    ? html``
    : html`<ul>
        ${items.map((item) => html`<li>${item}</li>`)}
      </ul>`;
}

const BADGES = {
  good: '✓',
  bad: '✗',
  care: '!',
  neutral: '–',
} as const;

/** A state with a sign and a word: colour only repeats what they say. */
export function badge(kind: keyof typeof BADGES, word: string): Html {
  return html`<span class="badge ${kind}"><span aria-hidden="true">${BADGES[kind]}</span> ${word}</span>`;
}
