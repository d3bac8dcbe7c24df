/** The bill of materials that the bundle carries: its digest, and what it says in short. */
import { count, digest } from '../format.ts';
import { html } from '../../../artifacts/html.ts';
import { facts, table } from '../parts.ts';
import type { Section } from '../page.ts';
import type { BomSummary } from '../bom.ts';

export const bomSection: Section = {
  id: 'bom',
  title: 'Bill of materials',
  body: ({ bom }) => {
    if (bom === null) return null;
    return html`<p>
        <code>bom.cdx.json</code> of the bundle, CycloneDX ${bom.specVersion}: ${digest(bom.digest)},
        <code>${bom.serialNumber}</code>. It lists every file by its SHA-256 and ${count(bom.metrics)} measures.
      </p>
      ${table(
        'What the model is made of',
        [
          { title: 'Part', cell: (part: BomSummary['parts'][number]) => part.what },
          { title: 'Name', cell: (part) => part.name },
          { title: 'Version', cell: (part) => html`<code>${part.version}</code>` },
          { title: 'Licence declared', cell: (part) => part.declared.join(', ') || 'none' },
          { title: 'Concluded', cell: (part) => part.concluded.join(', ') || 'none' },
          { title: 'Files', numeric: true, cell: (part) => count(part.files) },
        ],
        bom.parts,
      )}
      <h3>Hyperparameters</h3>
      ${facts(bom.hyperparameters.map(([name, value]) => [name, html`<code>${value}</code>`] as const))}`;
  },
};
