/** The dossier: which fields the record fills, which people have written, and which are open, with whom. */
import { html, type Content, type Html } from '../../../artifacts/html.ts';
import { dossierLine, type DossierEntry } from '../../privacy/dossier/dossier.ts';
import { NOTE } from '../../privacy/dossier/markdown.ts';
import { digest } from '../format.ts';
import { badge, list, table } from '../parts.ts';
import type { Section } from '../page.ts';

export const dossierSection: Section = {
  id: 'dossier',
  title: 'Dossier',
  body: ({ dossier, facts: { data } }) => {
    if (data === undefined) return null;
    const laws = [...new Set(dossier.entries.map(({ law }) => law))];
    return html`<p>
        ${badge(dossier.open === 0 ? 'good' : 'care', dossierLine(dossier))}
        ${dossier.required ? 'Nothing is packaged for release while a field is open. ' : ''}${dossier.answers === null ? 'No file of answers was given.' : html`Answers: ${digest(dossier.answers)}.`}
      </p>
      <p class="quiet">${NOTE}</p>
      ${laws.map((law) => fieldsOf(law, dossier.entries))}`;
  },
};

function fieldsOf(law: string, entries: readonly DossierEntry[]): Html {
  return table(
    law,
    [
      { title: 'Field', cell: (one: DossierEntry) => html`${one.title}<small>${one.article}</small>` },
      { title: 'State', cell: state },
      { title: 'What is known', cell: known },
    ],
    entries.filter((entry) => entry.law === law),
  );
}

const WORDS = { filled: ['good', 'filled'], open: ['care', 'open'], later: ['neutral', 'later'] } as const;

function state({ state: word }: DossierEntry): Content {
  const [kind, text] = WORDS[word];
  return badge(kind, text);
}

function known({ state: word, record, answer, ask, who }: DossierEntry): Content {
  if (word === 'open') return html`${ask} <small>By: ${who}</small>`;
  if (word === 'later') return 'The run fills this when it gets there.';
  const said = answer === null ? '' : html`<p>${answer.text}<small>${answer.by}, ${answer.at}</small></p>`;
  return [list(record), said];
}
