/** What people have written, as the run began with it; and what follows where they have not written enough. */
import { EspalierError } from '../../../artifacts/errors.ts';
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { ArtifactStore } from '../../../artifacts/store.ts';
import { parseDossierAnswers } from '../../../pipelines/dossier/answers.ts';
import type { Dossier, GivenAnswers } from './dossier.ts';

export async function readAnswers(ref: ArtifactRef | undefined, store: ArtifactStore): Promise<GivenAnswers | null> {
  if (ref === undefined) return null;
  const text = (await store.getBytes(ref)).toString('utf8');
  return { digest: ref.digest, answers: parseDossierAnswers(text, ref.name) };
}

/** Throws BadConfig naming the open fields where none may be. */
export function requireComplete({ required, entries }: Dossier): void {
  const open = entries.filter(({ state }) => state === 'open');
  if (!required || open.length === 0) return;
  const names = open.map(({ id, article }) => `${id} (${article})`).join(', ');
  throw new EspalierError(
    'BadConfig',
    `the dossier must be complete before a release, and ${open.length} fields are open: ${names}`,
    {
      where: 'review.dossier',
      fix: 'write them into the file of answers, or state in the definition what it can say (data.legalBasis, data.retention), and start the run again: what is done is reused',
    },
  );
}
