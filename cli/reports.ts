import { copyFile, mkdir } from 'node:fs/promises';
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
  await copyFile(await store.file(html), path);
  return path;
}
