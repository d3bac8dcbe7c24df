/** The report: one page that needs nothing else. A pure function of its input: the same facts give the same bytes. */
import { createHash } from 'node:crypto';
import { Html, html, type Content } from '../../artifacts/html.ts';
import { list } from './parts.ts';
import { frame, type ReportInput, type Section } from './page.ts';
import { bomSection } from './sections/bom.ts';
import { candidatesSection, licenceSection } from './sections/candidates.ts';
import { comparisonSection } from './sections/comparison.ts';
import { costSection } from './sections/cost.ts';
import { dataSection, privacySection } from './sections/data.ts';
import { approvalsSection, deploymentSection } from './sections/decisions.ts';
import { dossierSection } from './sections/dossier.ts';
import { diagnosisSection } from './sections/diagnosis.ts';
import { evaluationSection } from './sections/evaluation.ts';
import { gatesSection } from './sections/gates.ts';
import { gateExamplesSection } from './sections/gate-examples.ts';
import { generationSection } from './sections/generation.ts';
import { lineageSection } from './sections/lineage.ts';
import { retrievalSection } from './sections/retrieval.ts';
import { headline, runSection } from './sections/run.ts';
import { prototypesSection } from './sections/prototypes.ts';
import { recipeSection } from './sections/recipe.ts';
import { searchSection } from './sections/search.ts';
import { stepsSection } from './sections/steps.ts';
import { trainingSection } from './sections/training.ts';
import { wholeAnswersSection } from './sections/whole-answers.ts';
import { wholeGallerySection } from './sections/whole-gallery.ts';
import { STYLE } from './style.ts';

/** In the order in which a decider reads; the record follows the evidence. */
export const SECTIONS: readonly Section[] = [
  runSection,
  gatesSection,
  comparisonSection,
  evaluationSection,
  generationSection,
  retrievalSection,
  diagnosisSection,
  gateExamplesSection,
  prototypesSection,
  wholeGallerySection,
  wholeAnswersSection,
  searchSection,
  recipeSection,
  candidatesSection,
  licenceSection,
  dataSection,
  privacySection,
  trainingSection,
  dossierSection,
  bomSection,
  approvalsSection,
  deploymentSection,
  lineageSection,
  costSection,
  stepsSection,
];

// No script, no image, no request, no form: only the one style sheet, by its hash. Whatever a model card or a comment
// says, the page can do nothing with it.
const CONTENT_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

// Not in a template: the formatter may indent those, and the policy's hash is of these very bytes.
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);

/** Renders the page (HTML5, UTF-8). Sections that the run has not reached are named at the end. */
export function renderReport(input: ReportInput): string {
  const bodies = SECTIONS.map((section) => ({ section, body: section.body(input) }));
  const shown = bodies.filter(({ body }) => body !== null);
  const missing = bodies
    .filter(({ section, body }) => body === null && section.optional !== true && !elsewhere(section, input))
    .map(({ section }) => section.title);
  const { run, pipeline } = input.facts;
  return page(
    `${pipeline.deploy.model} · ${input.kind} report · ${run.id}`,
    html`${headline(input)}
      <nav aria-label="Sections">
        ${list(shown.map(({ section }) => html`<a href="#${section.id}">${section.title}</a>`))}
      </nav>
      <main>
        ${shown.map(({ section, body }) => frame(section, body))}
        ${missing.length === 0 ? '' : html`<p class="quiet">Not in this report, since the run has not been there: ${missing.join(', ')}.</p>`}
      </main>
      <footer>
        Made by Espalier from <code>facts.json</code> and <code>evidence.json</code> beside this page, which hold the
        same for machines.
      </footer>`,
  );
}

/** What only another task's runs have is not missing here, nor is a training that no run of this choice has. */
function elsewhere({ id }: Section, { facts: { pipeline, exported } }: ReportInput): boolean {
  switch (pipeline.task) {
    case 'text-generation':
      return ['evaluation', 'diagnosis', 'retrieval'].includes(id) || (id === 'training' && exported !== undefined);
    case 'image-retrieval':
      return (
        ['evaluation', 'diagnosis', 'generation'].includes(id) || (id === 'training' && pipeline.training === null)
      );
    case 'text-classification':
    case 'image-classification':
      return id === 'generation' || id === 'retrieval';
  }
}

function page(title: string, body: Content): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${CONTENT_POLICY}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <meta name="color-scheme" content="light dark" />
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        ${body}
      </body>
    </html> `.markup;
}
