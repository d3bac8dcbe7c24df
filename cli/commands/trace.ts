import { writeFile } from 'node:fs/promises';
import { lineageText, readLineage } from '../../client/lineage.ts';
import { lineagePicture } from '../../client/lineage-picture.ts';
import { findRelease } from '../../client/releases.ts';
import { EXIT, printJson, say } from '../output.ts';
import { withContext } from './runs.ts';

/** Where a released model comes from, from its digest alone. */
export async function trace(json: boolean, digest: string, options: { svg?: string }): Promise<number> {
  return withContext(async (context) => {
    const { store, pointers } = await context.store();
    const lineage = await readLineage(store, pointers, await findRelease(store, pointers, digest));
    if (options.svg !== undefined) {
      await writeFile(options.svg, lineagePicture(lineage));
      say(`the picture is in ${options.svg}`);
    }
    if (json) printJson(lineage);
    else process.stdout.write(lineageText(lineage));
    return EXIT.ok;
  });
}
