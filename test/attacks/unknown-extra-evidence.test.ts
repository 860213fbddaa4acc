/**
 * Logs and authorities come and go, and a signature may carry what only others know. A verifier that fails on the first
 * stranger lets whoever can add an entry make a good image unpullable; one that counts strangers lets anybody be a log.
 * What is unknown counts for nothing, and against nothing.
 */
import t from 'tap';
import { createCertificateLog } from '../helpers/sigstore/certificate-log.ts';
import { SIGSTORE_TIME } from '../helpers/sigstore/sigstore.ts';
import { createTimestampAuthority } from '../helpers/sigstore/timestamp-authority.ts';
import { createTransparencyLog } from '../helpers/sigstore/transparency-log.ts';
import { about, bundle, openKeyless } from './keyless.ts';

const clock = () => SIGSTORE_TIME;
const log = createTransparencyLog({ clock, origin: 'log.evil.test' });
const log2 = createTransparencyLog({ clock, version: 2, origin: 'log2.evil.test' });
const authority = createTimestampAuthority({ clock });
const certificateLog = createCertificateLog({ origin: 'ct.evil.test' });

t.test('evidence of strangers beside good evidence', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const certificateLogs = [certificateLog, sigstore.certificateLog];
  const all = {
    logs: [log, sigstore.log, log2],
    timestampAuthorities: [authority, sigstore.timestampAuthority],
  };
  const extra = {
    'an entry': { logs: all.logs },
    'a timestamp': { ...all, logs: [sigstore.log] },
    'an SCT': { by: sigstore.leaf({ certificateLogs }) },
    everything: { ...all, by: sigstore.leaf({ certificateLogs }) },
  };
  for (const [what, options] of Object.entries(extra)) {
    const signed = bundle((image) => sigstore.signEnvelope(about(image), options));
    t.equal(await pull(put(what, signed)), '200', what);
  }
});

t.test('evidence of strangers alone', async (t) => {
  const { sigstore, put, pull } = await openKeyless(t);
  const alone = {
    'no log': { logs: [log, log2], timestampAuthorities: [sigstore.timestampAuthority] },
    'no proven time': { logs: [sigstore.log2], timestampAuthorities: [authority] },
    'no certificate log': { by: sigstore.leaf({ certificateLogs: [certificateLog] }) },
  };
  for (const [missing, options] of Object.entries(alone)) {
    const signed = bundle((image) => sigstore.signEnvelope(about(image), options));
    const answer = await pull(put(missing, signed));
    t.match(answer, /^403 DENIED/, missing);
    t.ok(answer.includes(`${missing}: 1 required`), answer);
  }
});

t.test('strangers never make up a threshold', async (t) => {
  const spec = { transparencyLog: 2, certificateTransparency: 2, timestamps: 2 };
  for (const [name, count] of Object.entries(spec)) {
    const { sigstore, put, pull } = await openKeyless(t, { spec: { [name]: count } });
    const by = sigstore.leaf({ certificateLogs: [certificateLog, sigstore.certificateLog] });
    const options = { by, logs: [sigstore.log, log], timestampAuthorities: [authority] };
    const signed = bundle((image) => sigstore.signEnvelope(about(image), options));
    t.match(await pull(put('one', signed)), /^403 DENIED .*2 .* required, 1 found/, name);
  }
});
