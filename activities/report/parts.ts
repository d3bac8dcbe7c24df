/** The parts that the report's sections are built of. */
import { html, type Content, type Html } from '../../artifacts/html.ts';

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
