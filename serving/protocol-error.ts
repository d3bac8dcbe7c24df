/** A request that cannot be answered: HTTP status and what the client should know. */
export class ProtocolError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** The field of the request that it is about, where it is about one, for protocols that name it by itself. */
  readonly field: string | undefined;
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}, field?: string) {
    super(message);
    this.name = 'ProtocolError';
    this.status = status;
    this.headers = headers;
    this.field = field;
  }
}

/** What was begun has no way on. The client is told as of a refusal; to whoever runs the server it is a failure. */
export class BrokeOff extends ProtocolError {
  constructor({ status, message, headers, field }: ProtocolError) {
    super(status, message, headers, field);
    this.name = 'BrokeOff';
  }
}
