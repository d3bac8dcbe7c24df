/**
 * The one shape in which an error crosses a room's border (docs/architecture.md, "Errors").
 * This file has no imports: workflow code, activities, the CLI and the server all use it.
 */

/** Every kind of error Espalier raises on purpose. Retryable or not is decided by this table, unless who raises it knows better. */
export const ERROR_KINDS = {
  // what the user gave us
  BadDefinition: { retryable: false },
  BadData: { retryable: false },
  BadConfig: { retryable: false },
  BadModel: { retryable: false },
  UnsafeModel: { retryable: false },
  LicenceDenied: { retryable: false },
  NotFound: { retryable: false },
  Conflict: { retryable: false },
  // decisions
  NoCandidate: { retryable: false },
  GatesFailed: { retryable: false },
  ApprovalRejected: { retryable: false },
  ApprovalExpired: { retryable: false },
  ApprovalRefused: { retryable: false },
  ChangesRequested: { retryable: false },
  // requests to the console
  BadRequest: { retryable: false },
  Unauthenticated: { retryable: false },
  Forbidden: { retryable: false },
  TooManyRequests: { retryable: true },
  // training
  BudgetEnded: { retryable: false },
  Diverged: { retryable: false },
  CheckpointIncompatible: { retryable: false },
  OutOfMemory: { retryable: true },
  Preempted: { retryable: true },
  TrainerFailed: { retryable: true },
  // surroundings
  Corrupt: { retryable: true },
  StorageUnavailable: { retryable: true },
  StorageDenied: { retryable: false },
  TemporalUnavailable: { retryable: true },
  ReplayFailed: { retryable: false },
  NetworkUnavailable: { retryable: true },
  DiskFull: { retryable: true },
  MissingTool: { retryable: false },
  WrongHardware: { retryable: true },
  BusyMachine: { retryable: true },
  Internal: { retryable: true },
} as const satisfies Record<string, { retryable: boolean }>;

export type ErrorKind = keyof typeof ERROR_KINDS;

/** The plain-data form of an error, as it is recorded and shown. */
export interface ErrorRecord {
  readonly kind: ErrorKind;
  /** What was wrong: names the field and the value. */
  readonly message: string;
  /** Where: a definition path, a file and line, an S3 key, a step. */
  readonly where?: string;
  /** What the reader can do about it. */
  readonly fix?: string;
  readonly retryable: boolean;
}

/** An error with a kind, a place and a way out. Thrown only at a room's rim; returned as data below it. */
export class EspalierError extends Error {
  readonly kind: ErrorKind;
  readonly where: string | undefined;
  readonly fix: string | undefined;
  readonly retryable: boolean;

  constructor(
    kind: ErrorKind,
    message: string,
    options: { where?: string; fix?: string; cause?: unknown; retryable?: boolean } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = kind;
    this.kind = kind;
    this.where = options.where;
    this.fix = options.fix;
    this.retryable = options.retryable ?? ERROR_KINDS[kind].retryable;
  }

  /** By brand: a user's module, or a lazily loaded one, may bring its own copy of this class. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return (
      value instanceof Error &&
      Object.hasOwn(ERROR_KINDS, (value as { kind?: string }).kind ?? '') &&
      'toRecord' in value
    );
  }

  toRecord(): ErrorRecord {
    return {
      kind: this.kind,
      message: this.message,
      ...(this.where === undefined ? {} : { where: this.where }),
      ...(this.fix === undefined ? {} : { fix: this.fix }),
      retryable: this.retryable,
    };
  }
}
