/** What a section of the report is made from, and its frame. */
import type { RunFacts, WriteReportInput } from '../contract/evidence.ts';
import { html, type Content, type Html } from '../../artifacts/html.ts';
import type { ReportMaterial } from './material.ts';

/** All that the report shows. */
export interface ReportInput extends ReportMaterial {
  readonly kind: WriteReportInput['kind'];
  readonly facts: RunFacts;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  /** Many a run never gets there, and nothing is missing then. */
  readonly optional?: true;
  /** null: the run has not got there. */
  body(input: ReportInput): Content;
}

export function frame(section: Pick<Section, 'id' | 'title'>, body: Content): Html {
  return html`<section id="${section.id}" aria-labelledby="${section.id}-heading">
    <h2 id="${section.id}-heading">${section.title}</h2>
    ${body}
  </section> `;
}
