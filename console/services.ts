/** What the console's routes work with: the same as a command's, and what it was started with. */
import type { Client } from '@temporalio/client';
import type { AuditLog } from '../artifacts/audit.ts';
import type { Signer } from '../artifacts/signing-keys.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Pipeline } from '../pipelines/definition.ts';
import type { Approver } from '../workflows/messages.ts';
import type { OidcSettings } from './oidc/settings.ts';

/** A checked definition, and the folder that its paths start at. */
export interface ServedPipeline {
  readonly pipeline: Pipeline;
  readonly folder: string;
  /** Its file, to find its author. */
  readonly path?: string;
}

export interface Services {
  readonly client: Client;
  readonly store: ArtifactStore;
  readonly pointers: Pointers;
  readonly audit: AuditLog;
  /** Signs what this console says of its voters. */
  readonly signer: Signer;
  /** Who may decide on runs that start now. */
  readonly approvers: () => Promise<readonly Approver[]>;
  /** The only ones that a run can be started of. */
  readonly pipelines: readonly ServedPipeline[];
  /** Signs the links to decisions; see `checkedLinkKey`. */
  readonly linkKey: string;
  /** Notifiers are configured, so runs that start here tell them. */
  readonly notify?: boolean;
  /** The identity provider that people sign in with, where there is one. */
  readonly oidc?: OidcSettings;
  /** Who may sign in by a link that `linkKey` signed: the embedded stack's demo users, nobody else. */
  readonly demoUsers?: readonly string[];
  /** Where people reach this console, when it is not where it listens. */
  readonly publicUrl?: string;
  /** Addresses (or CIDR ranges, by commas) of proxies whose X-Forwarded-For says who calls. Without it nobody's counts. */
  readonly trustedProxies?: string;
  /** Told every error that is not the caller's, under the id that the caller got. */
  readonly onError: (error: unknown, requestId: string) => void;
}
