/** The programs and the Python environment that set-up provides, as the rest of the code asks for them. */
import { EspalierError } from '../artifacts/errors.ts';
import { packageRoot } from './root.ts';
import { cacheFolder, locateTool, locateTrainerPython, TOOLS } from './toolchain.mjs';

export type ToolName = keyof typeof TOOLS;

export const SETUP_HINT = 'run `npx espalier setup` (in a clone: `node infra/setup.mjs`)';

/** The folder of everything built or downloaded once a machine. */
export function cachePath(env: NodeJS.ProcessEnv = process.env): string {
  return cacheFolder(env);
}

/** Path of a program's executable: on PATH, else built by set-up. Throws MissingTool. */
export function findTool(name: ToolName, env: NodeJS.ProcessEnv = process.env): string {
  const found = locateTool(name, env);
  if (found !== undefined) return found;
  const setting = name === 'temporal' ? 'TEMPORAL_ADDRESS' : 'AWS_ENDPOINT_URL_S3';
  throw new EspalierError('MissingTool', `the ${TOOLS[name].title} is neither on PATH nor built`, {
    where: name,
    fix: `${SETUP_HINT}, or set ${setting} to a service you already run`,
  });
}

/** The trainer's Python and the folder of our trainer package (for PYTHONPATH). Throws MissingTool. */
export function trainerPython(env: NodeJS.ProcessEnv = process.env): { executable: string; packages: string } {
  const found = locateTrainerPython(packageRoot, env);
  if (found !== undefined) return found;
  throw new EspalierError('MissingTool', "the trainer's Python environment is not installed", {
    where: 'workers/trainer/requirements.lock',
    fix: SETUP_HINT,
  });
}
