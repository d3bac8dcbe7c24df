/** A request that cannot be answered: HTTP status and what the client should know. */
export class ProtocolError extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = 'ProtocolError';
    this.status = status;
    this.headers = headers;
  }
}
