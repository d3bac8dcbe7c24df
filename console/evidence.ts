/** Files of an evidence pack, as a browser may have them: looked at, never run. */
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import type { FastifyReply } from 'fastify';
import { EspalierError } from '../artifacts/errors.ts';
import type { ArtifactRef, Digest } from '../artifacts/reference.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { OpenApproval } from '../client/approvals.ts';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.json': 'application/json',
};

/**
 * For a page of evidence: no script, no request, no form, an origin of its own. Its styles are let through here; the
 * report's own policy, which counts as well, allows only the one style sheet by its hash.
 */
const PAGE_POLICY = [
  'sandbox',
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join('; ');

/** @throws EspalierError NotFound when there is no such file in the pack */
export async function sendEvidence(
  reply: FastifyReply,
  store: ArtifactStore,
  evidence: ArtifactRef | Digest,
  file: string,
): Promise<FastifyReply> {
  const bytes = await readFile(await store.fileInTree(evidence, file));
  const mediaType = MEDIA_TYPES[extname(file)];
  reply.type(mediaType ?? 'application/octet-stream').header('content-security-policy', PAGE_POLICY);
  if (mediaType === undefined) reply.header('content-disposition', 'attachment');
  return reply.send(bytes);
}

/** @throws EspalierError NotFound when there is none yet */
export function evidenceOf({ evidence, approval, runId }: OpenApproval): ArtifactRef {
  if (evidence !== undefined) return evidence;
  throw new EspalierError('NotFound', `approval '${approval}' of ${runId} has no evidence yet`, {
    where: `${runId} ${approval}`,
    fix: 'it is there when the approval opens',
  });
}
