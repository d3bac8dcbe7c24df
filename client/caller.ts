/** Who acts, and how we know: what a vote's signed statement says of its voter. */

/** How somebody was authenticated, without anything secret. */
export type Authentication =
  | { readonly method: 'api-token'; readonly token: string }
  /** By the organisation's identity provider: at the console, or by a token of its own. */
  | { readonly method: 'oidc'; readonly issuer: string; readonly subject: string }
  | { readonly method: 'signed-link' }
  /** A demo user's sign-in link. */
  | { readonly method: 'sign-in-link' }
  /** By command, with access to Temporal and the store. */
  | { readonly method: 'operator'; readonly login: string };

export interface Caller {
  readonly user: string;
  readonly authentication: Authentication;
  /** What the identity provider's groups stand for; nobody else says roles. */
  readonly roles?: readonly string[];
}
