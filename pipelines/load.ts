/** Finds and loads a definition: a file, a folder, or a shipped pipeline's name. The only place that runs user code. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import Module from 'node:module';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { EspalierError } from '../artifacts/errors.ts';

export interface LoadedPipeline {
  /** The definition's file and its folder: relative paths in it start there. */
  readonly path: string;
  readonly folder: string;
  /** Unchecked: hand it to `checkPipeline`. */
  readonly value: unknown;
}

const FILE_NAMES = ['pipeline.ts', 'pipeline.mts', 'pipeline.js', 'pipeline.mjs', 'pipeline.json'];
const ENDINGS = new Set(['.ts', '.mts', '.js', '.mjs', '.json']);

/** The package's own folder, from source and from dist/ alike. */
export function packageRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: unknown }).name === 'espalier')
      return folder;
    if (folder === dirname(folder)) {
      throw new EspalierError('Internal', 'the package folder of espalier was not found', {
        where: import.meta.url,
        fix: 'reinstall espalier',
      });
    }
  }
}

/** Names of the pipelines that come with the package. */
export async function listShippedPipelines(): Promise<readonly string[]> {
  const home = join(packageRoot(), 'pipelines');
  const entries = await readdir(home, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory() && definitionIn(join(home, entry.name)) !== undefined)
    .map((entry) => entry.name)
    .toSorted();
}

/**
 * Loads a definition from a `.ts`, `.mts`, `.js`, `.mjs` or `.json` file, from a folder with a `pipeline.ts` (or the
 * like), or by a shipped pipeline's name; a path wins over a name. The file is run, with this process's rights.
 * Throws NotFound when there is no such file, and BadDefinition when it does not load or has no default export.
 */
export async function loadPipeline(nameOrPath: string): Promise<LoadedPipeline> {
  const path = await locate(nameOrPath);
  const value = extname(path) === '.json' ? await loadJson(path) : await loadModule(path);
  return { path, folder: dirname(path), value };
}

async function locate(nameOrPath: string): Promise<string> {
  const path = resolve(nameOrPath);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) {
    if (ENDINGS.has(extname(path))) return path;
    throw new EspalierError('BadDefinition', `'${nameOrPath}' is not a definition by its ending`, {
      where: path,
      fix: `use one of ${[...ENDINGS].join(', ')}`,
    });
  }
  const inFolder = found?.isDirectory() === true ? definitionIn(path) : undefined;
  if (inFolder !== undefined) return inFolder;
  const shipped = await listShippedPipelines();
  // Compared with the list, not joined to a path: a name cannot leave the pipelines' folder.
  const byName = shipped.includes(nameOrPath) ? definitionIn(join(packageRoot(), 'pipelines', nameOrPath)) : undefined;
  if (byName !== undefined) return byName;
  if (found !== undefined) {
    throw new EspalierError('NotFound', `the folder '${nameOrPath}' has no pipeline`, {
      where: path,
      fix: `add a ${FILE_NAMES[0]} to it`,
    });
  }
  throw new EspalierError('NotFound', `there is no pipeline '${nameOrPath}'`, {
    where: path,
    fix: `give a file, a folder with a ${FILE_NAMES[0]}, or one of the shipped pipelines: ${shipped.join(', ')}`,
  });
}

function definitionIn(folder: string): string | undefined {
  return FILE_NAMES.map((name) => join(folder, name)).find((path) => existsSync(path));
}

async function loadJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new EspalierError('BadDefinition', `this is not JSON: ${(cause as Error).message}`, {
      where: path,
      fix: 'correct the file',
      cause,
    });
  }
}

let requireLeadsHere = false;

/** The same for `require`, which tsx does not lead by `paths`: a folder without a package.json is CommonJS. Once a process. */
function leadRequireHere(): void {
  if (requireLeadsHere) return;
  requireLeadsHere = true;
  const loader = Module as unknown as { _resolveFilename(request: string, ...rest: unknown[]): string };
  const next = loader._resolveFilename.bind(loader);
  const index = join(packageRoot(), 'pipelines', 'index.ts');
  loader._resolveFilename = (request, ...rest) => (request === 'espalier' ? index : next(request, ...rest));
}

/**
 * tsx compiles TypeScript and, by the `paths` of pipelines/tsconfig.json, leads 'espalier' to this very package,
 * wherever the user's file lies, as an ES module or as CommonJS, before and after a build.
 */
async function loadModule(path: string): Promise<unknown> {
  const tsconfig = join(packageRoot(), 'pipelines', 'tsconfig.json');
  leadRequireHere();
  let module: Record<string, unknown>;
  // Imported here: loaded only when needed (100 ms), and in its ES form, since the CommonJS form of 4.23.15 cannot find its hooks.
  const { tsImport } = await import('tsx/esm/api');
  try {
    module = (await tsImport(pathToFileURL(path).href, { parentURL: import.meta.url, tsconfig })) as Record<
      string,
      unknown
    >;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new EspalierError('BadDefinition', `the definition does not load: ${message}`, {
      where: path,
      fix: 'correct the file; it is run as it stands',
      cause,
    });
  }
  // A CommonJS module's exports arrive as the default export of its ES module.
  const exported = module['default'];
  const value = isRecord(exported) && '__esModule' in exported ? exported['default'] : exported;
  if (value !== undefined) return value;
  throw new EspalierError('BadDefinition', 'the definition has no default export', {
    where: path,
    fix: "write 'export default definePipeline({ … })'",
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
