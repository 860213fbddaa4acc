/** Why nothing could be signed. */

export type SigningErrorCode =
  /** The name of a key is of no form that is known. */
  | 'key-name'
  /** The key cannot be read, or is none to sign with. */
  | 'key'
  /** A password is needed, or is wrong. */
  | 'password'
  /** Whoever keeps the key is not to be reached. */
  | 'unreachable'
  /** Whoever keeps the key does not let us use it. */
  | 'denied'
  /** Whoever keeps the key has none of that name. */
  | 'not-found'
  /** Whoever keeps the key answered something that is no answer, or a signature that does not hold. */
  | 'answer'
  /** What is to be signed makes no sense. */
  | 'content';

/** The message names the key and what to do; it never holds a secret. */
export class SigningError extends Error {
  override readonly name = 'SigningError';
  readonly code: SigningErrorCode;

  constructor(code: SigningErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
