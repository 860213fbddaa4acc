/** What is presented to an upstream, and the port that finds it. */

/** What is presented to a token service or registry. */
export type Credential =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'identity-token'; readonly token: string };

/** Finds the credentials for one upstream; nothing found means anonymous. */
export interface Credentials {
  /** @throws {CredentialsError} */
  find(): Promise<Credential | undefined>;
}

/** Credentials are configured and cannot be had. Messages name no path and no secret. */
export class CredentialsError extends Error {
  override readonly name = 'CredentialsError';
}
