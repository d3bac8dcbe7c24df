/**
 * A Hugging Face hub on loopback: what huggingface_hub 2.4 asks for, over one repository whose branch can move. A pattern
 * (`org/(?:a|b)`) names several, which share their commits where none is made for one alone.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

export interface TestHub {
  readonly endpoint: string;
  /** `METHOD path [range]` of every request, and the Authorization headers seen. */
  readonly requests: string[];
  readonly authorisations: Set<string>;
  /** Asked before a file's bytes are sent: true where it has seen to the answer itself. */
  interfere: ((request: IncomingMessage, response: ServerResponse, bytes: Buffer) => boolean) | undefined;
  /** Makes a commit of the files and moves `main` to it, of all repositories or of one: its id. */
  commit(files: Readonly<Record<string, Buffer>>, only?: string): string;
  stop(): Promise<void>;
}

/** The heads of repositories that have none of their own. */
const ALL = '';

export async function startTestHub(repository: string, kind: 'models' | 'datasets' = 'models'): Promise<TestHub> {
  const home = kind === 'models' ? repository : `datasets/${repository}`;
  const commits = new Map<string, Readonly<Record<string, Buffer>>>();
  const heads = new Map<string, string>();
  const requests: string[] = [];
  const authorisations = new Set<string>();
  const server: Server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://hub').pathname);
    const { range } = request.headers;
    requests.push(`${request.method} ${path}${range === undefined ? '' : ` ${range}`}`);
    if (request.headers.authorization !== undefined) authorisations.add(request.headers.authorization);
    const at = (name = '', revision = ''): string =>
      revision === 'main' ? (heads.get(name) ?? heads.get(ALL) ?? '') : revision;
    const info = new RegExp(`^/api/${kind}/(${repository})/revision/([^/]+)$`).exec(path);
    const file = new RegExp(`^/(${home})/resolve/([^/]+)/(.+)$`).exec(path);
    const commit = at(info?.[1] ?? file?.[1], info?.[2] ?? file?.[2]);
    const files = commits.get(commit);
    if (files === undefined) {
      const code = path.includes(repository) ? 'RevisionNotFound' : 'RepoNotFound';
      response.writeHead(404, { 'X-Error-Code': code }).end();
    } else if (info !== null) {
      const siblings = Object.entries(files).map(([rfilename, bytes]) => ({
        rfilename,
        size: bytes.length,
        blobId: blobId(bytes),
        ...(isLarge(rfilename) ? { lfs: { sha256: sha256(bytes), size: bytes.length, pointerSize: 134 } } : {}),
      }));
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ id: info[1], modelId: info[1], sha: commit, siblings, tags: [], downloads: 0 }));
    } else {
      const bytes = files[file?.[3] ?? ''];
      if (bytes === undefined) return void response.writeHead(404, { 'X-Error-Code': 'EntryNotFound' }).end();
      response.setHeader('X-Repo-Commit', commit);
      response.setHeader('ETag', `"${isLarge(file?.[3] ?? '') ? sha256(bytes) : blobId(bytes)}"`);
      if (request.method === 'GET' && hub.interfere?.(request, response, bytes) === true) return;
      const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      const end = to === undefined || to === '' ? bytes.length : Number(to) + 1;
      const part = from === undefined ? bytes : bytes.subarray(Number(from), end);
      if (part !== bytes) {
        response.statusCode = 206;
        response.setHeader('Content-Range', `bytes ${from}-${end - 1}/${bytes.length}`);
      }
      response.setHeader('Content-Length', part.length);
      response.end(request.method === 'HEAD' ? undefined : part);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const hub: TestHub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    authorisations,
    interfere: undefined,
    commit(files, only = ALL) {
      const head = createHash('sha1')
        .update(JSON.stringify(Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)])))
        .digest('hex');
      commits.set(head, files);
      heads.set(only, head);
      return head;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return hub;
}

/** A folder's files, as a repository of the hub has them, with a card that declares a licence. */
export async function repositoryOf(folder: string): Promise<Readonly<Record<string, Buffer>>> {
  const names = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isFile());
  const files = await Promise.all(names.map(async ({ name }) => [name, await readFile(join(folder, name))] as const));
  return { ...Object.fromEntries(files), 'README.md': Buffer.from('---\nlicense: apache-2.0\n---\nA stand-in.\n') };
}

const isLarge = (path: string): boolean => path.endsWith('.safetensors') || path.endsWith('.bin');
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const blobId = (bytes: Buffer): string =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
