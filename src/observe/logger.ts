/** The logger: pino with its standard serializers, in which no secret survives. */
import { pino, type Logger } from 'pino';

/** Names whose values are secrets wherever they turn up; header names are lower case in Node. */
const SECRETS = [
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'password',
  'token',
];

/** At the top and up to two levels down, as in `req.headers.authorization`; each level more doubles a line's cost. */
const REDACTED = ['', '*', '*.*'].flatMap((depth) =>
  SECRETS.map((name) => `${depth}[${JSON.stringify(name)}]`),
);

/** What a logger writes to; see `LogStream`. */
export interface LineStream {
  write(line: string): void;
}

/** A logger of JSON lines with `level` as a word and `time` in milliseconds since the epoch. */
export function createLogger(level: string, stream: LineStream): Logger {
  return pino(
    {
      level,
      // No process id and host name in each line: whoever collects lines knows where from.
      base: null,
      redact: { paths: REDACTED, censor: '[redacted]' },
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
}
