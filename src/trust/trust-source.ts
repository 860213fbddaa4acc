/** Where a trusted root can be fetched from. */

export interface TrustSource {
  /** What people call it: a mirror's URL. */
  readonly name: string;
  /** Names the source exactly: what was kept from one source never stands for another. */
  readonly id: string;
  /**
   * The bytes of a `trusted_root.json`, as genuine as the source can prove them.
   * @throws {TrustSourceError}
   */
  fetch(signal: AbortSignal): Promise<Uint8Array>;
}

export type TrustSourceErrorCode =
  /** Nobody answered, or with an error. */
  | 'unreachable'
  | 'timed-out'
  /** What came is not signed, expired, older than what we have, or not what was signed. */
  | 'refused'
  /** The source has no such target. */
  | 'absent'
  /** The folder cannot be used. */
  | 'storage-failed';

export class TrustSourceError extends Error {
  override readonly name = 'TrustSourceError';
  readonly code: TrustSourceErrorCode;

  constructor(code: TrustSourceErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}
