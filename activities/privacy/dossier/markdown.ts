/** DOSSIER.md: for reading, and for a bundle. Pure. */
import { escapeMarkdown } from '../../deployment/model-card.ts';
import { dossierLine, type Dossier, type DossierEntry } from './dossier.ts';

export const NOTE =
  'A template after GDPR Art. 35(7) and 30(1) and Annex IV of the EU AI Act, filled from the record of the run and from what people have written. No legal advice.';

export function dossierMarkdown(dossier: Dossier, model: string): string {
  const laws = [...new Set(dossier.entries.map(({ law }) => law))];
  const head = [
    `# Dossier of ${escapeMarkdown(model)}`,
    NOTE,
    `${dossierLine(dossier)}. ${dossier.answers === null ? 'No file of answers was given.' : `Answers: \`${dossier.answers}\`.`}`,
  ];
  const body = laws.flatMap((law) => [
    `## ${law}`,
    ...dossier.entries.filter((entry) => entry.law === law).map(section),
  ]);
  return `${[...head, ...body].join('\n\n')}\n`;
}

function section({ article, title, state, record, answer, ask, who }: DossierEntry): string {
  const paragraphs = (text: string): string =>
    text
      .split(/\n\s*\n/)
      .map((part) => `> ${escapeMarkdown(part)}`)
      .join('\n>\n');
  return [
    `### ${article}: ${title}`,
    ...(record.length === 0 ? [] : [record.map((line) => `- ${escapeMarkdown(line)}`).join('\n')]),
    ...(answer === null ? [] : [paragraphs(answer.text), `${escapeMarkdown(answer.by)}, ${answer.at}`]),
    ...(state === 'open' ? [`**Open.** ${ask} By: ${who}.`] : []),
    ...(state === 'later' ? ['_The run fills this when it gets there._'] : []),
  ].join('\n\n');
}
