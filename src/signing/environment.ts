/** What signing may know of its surroundings. */

export interface SigningEnvironment {
  /** The environment variables: `COSIGN_PASSWORD`, and those of Vault and AWS. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a whole file; rejects where it is longer. */
  readonly readFile: (file: string, maxBytes: number) => Promise<Buffer>;
  /**
   * Asks a person for the password of a key, unseen.
   * @returns undefined where there is nobody to ask.
   */
  readonly askPassword: (label: string) => Promise<string | undefined>;
}
