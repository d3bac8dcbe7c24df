/** How complete the dossier is that an evidence pack shows. */
import { z } from 'zod';
import type { Digest } from './reference.ts';
import type { ArtifactStore } from './store.ts';

const DossierCountSchema = z.object({
  fields: z.int().min(0),
  open: z.int().min(0),
  later: z.int().min(0),
});
export type DossierCount = Readonly<z.output<typeof DossierCountSchema>>;

/** undefined: the pack was made before there were dossiers. */
export async function evidenceDossier(store: ArtifactStore, pack: Digest): Promise<DossierCount | undefined> {
  const evidence = (await store.tree(pack)).entries.find(({ path }) => path === 'evidence.json');
  if (evidence === undefined) return undefined;
  const { dossier } = await store.getJson<{ readonly dossier?: unknown }>(evidence.digest);
  return dossier === undefined ? undefined : DossierCountSchema.parse(dossier);
}
