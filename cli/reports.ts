import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../artifacts/reference.ts';
import type { ArtifactStore } from '../artifacts/store.ts';

/** Saves an HTML artifact where a browser can open it: `.espalier/reports/<run>/<name>.html`. */
export async function saveReport(
  store: ArtifactStore,
  stateDir: string,
  runId: string,
  name: string,
  html: ArtifactRef,
): Promise<string> {
  const folder = join(stateDir, 'reports', runId);
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${name}.html`);
  // Not a copy: the cache's files are read-only, and a second save must be able to replace this one.
  await writeFile(path, await readFile(await store.file(html)));
  return path;
}
