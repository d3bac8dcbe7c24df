/** Writes the report of a run, or the evidence for an approval, into the store. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { WriteReportInput, WrittenReport } from '../contract/evidence.ts';
import type { StepDefinition } from '../step.ts';
import { dossierMarkdown } from '../privacy/dossier/markdown.ts';
import { readMaterial } from './material.ts';
import { renderReport } from './render.ts';

/**
 * `facts.json` (canonical), what else the page shows as `evidence.json`, and `report.html` as one tree; its digest is
 * what an approval binds to.
 */
export const writeReport: StepDefinition<WriteReportInput, WrittenReport> = {
  type: 'report.write',
  version: 10,
  // Prices are another report, not another run.
  environment: (_, { prices }) => Promise.resolve(prices ?? null),
  async run({ kind, facts }, context) {
    const { store, signal, progress } = context;
    progress({ phase: 'writing the report' });
    const material = await readMaterial(facts, context);
    // The curves are an artifact of their own, and long.
    const { history: _, ...evidence } = material;
    const json = (value: unknown, name: string) =>
      store.putBytes(canonicalJson(value), { name, mediaType: 'application/json', signal });
    const page = renderReport({ kind, facts, ...material });
    const [html, factsFile, evidenceFile] = await Promise.all([
      store.putBytes(page, { name: 'report.html', mediaType: 'text/html; charset=utf-8', signal }),
      json(facts, 'facts.json'),
      json({ version: 1, ...evidence }, 'evidence.json'),
    ]);
    const dossier = await store.putBytes(dossierMarkdown(material.dossier, facts.pipeline.deploy.model), {
      name: 'DOSSIER.md',
      mediaType: 'text/markdown; charset=utf-8',
      signal,
    });
    const entries = [
      { path: 'DOSSIER.md', ref: dossier },
      { path: 'evidence.json', ref: evidenceFile },
      { path: 'facts.json', ref: factsFile },
      { path: 'report.html', ref: html },
    ];
    return { pack: await store.putManifest(entries, `${kind}-report`), html, json: factsFile };
  },
};
