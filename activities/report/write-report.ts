/** Writes the report of a run, or the evidence for an approval, into the store. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { TrainingHistory, WriteReportInput, WrittenReport } from '../contract.ts';
import type { StepDefinition } from '../step.ts';
import { renderReport } from './render.ts';

/** `facts.json` (canonical) and `report.html` as one tree; its digest is what an approval binds to. */
export const writeReport: StepDefinition<WriteReportInput, WrittenReport> = {
  type: 'report.write',
  version: 1,
  async run({ kind, facts }, { store, signal, progress }) {
    progress({ phase: 'writing the report' });
    const history = facts.training === undefined ? null : await store.getJson<TrainingHistory>(facts.training.history);
    const page = renderReport({ kind, facts, history });
    const [html, json] = await Promise.all([
      store.putBytes(page, { name: 'report.html', mediaType: 'text/html; charset=utf-8', signal }),
      store.putBytes(canonicalJson(facts), { name: 'facts.json', mediaType: 'application/json', signal }),
    ]);
    const entries = [
      { path: 'facts.json', ref: json },
      { path: 'report.html', ref: html },
    ];
    return { pack: await store.putManifest(entries, `${kind}-report`), html, json };
  },
};
