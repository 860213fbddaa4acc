/** Manifests of which every client has one understanding; CVE-2021-41190 and its relatives. */
import fc from 'fast-check';
import t from 'tap';
import { MAX_DESCRIPTORS, parseManifest } from '../../src/oci/manifest.ts';
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-type.ts';

const digest = (index: number) => `sha256:${index.toString(16).padStart(64, '0')}`;
const blob = (index: number, size = 7) => ({
  mediaType: 'application/octet-stream',
  digest: digest(index),
  size,
});
const IMAGE = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: blob(0), layers: [blob(1)] };
const INDEX = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [blob(1)] };

/** The value with members laid over it; undefined leaves a member out. */
function parse(value: object, contentType = ''): ReturnType<typeof parseManifest> {
  return parseManifest(Buffer.from(JSON.stringify(value)), contentType);
}

t.test('reads images and indexes of both families', (t) => {
  for (const mediaType of [OCI_MANIFEST, DOCKER_MANIFEST]) {
    for (const contentType of ['', mediaType, 'application/json']) {
      const manifest = parse({ ...IMAGE, mediaType }, contentType);
      t.match(manifest, { kind: 'image', mediaType, config: blob(0), layers: [blob(1)] });
    }
  }
  for (const mediaType of [OCI_INDEX, DOCKER_LIST]) {
    for (const contentType of ['', mediaType, 'text/plain']) {
      const manifest = parse({ ...INDEX, mediaType }, contentType);
      t.match(manifest, { kind: 'index', mediaType, manifests: [blob(1)] });
    }
  }
  t.end();
});

t.test('reads a manifest without mediaType as its content type or its members say', (t) => {
  for (const mediaType of [undefined, null, '']) {
    t.equal(parse({ ...IMAGE, mediaType }).mediaType, OCI_MANIFEST);
    t.equal(parse({ ...INDEX, mediaType }).mediaType, OCI_INDEX);
    t.equal(parse({ ...IMAGE, mediaType }, DOCKER_MANIFEST).mediaType, DOCKER_MANIFEST);
    t.equal(parse({ ...INDEX, mediaType }, DOCKER_LIST).mediaType, DOCKER_LIST);
    t.throws(() => parse({ ...IMAGE, mediaType }, OCI_INDEX), SyntaxError);
    t.throws(() => parse({ ...INDEX, mediaType }, OCI_MANIFEST), SyntaxError);
  }
  t.end();
});

t.test('refuses a document that is an image to one client and an index to another', (t) => {
  const both = { ...IMAGE, manifests: [blob(2)] };
  const wrong: readonly (readonly [object, string?])[] = [
    [both],
    [both, OCI_MANIFEST],
    [{ ...both, mediaType: OCI_INDEX }],
    [{ ...both, mediaType: OCI_INDEX }, OCI_INDEX],
    [{ ...both, mediaType: undefined }],
    [{ ...both, mediaType: undefined }, OCI_INDEX],
    [{ ...both, mediaType: undefined }, OCI_MANIFEST],
    [{ ...IMAGE, manifests: [] }],
    [{ ...IMAGE, manifests: {} }],
    [{ ...IMAGE, manifests: false }],
    [{ ...INDEX, layers: [] }],
    [{ ...INDEX, config: blob(0) }],
    [{ ...INDEX, config: {} }],
    [{ ...IMAGE, mediaType: undefined, Manifests: [blob(2)] }],
    [{ ...IMAGE, manifeſts: [blob(2)] }],
    [{ ...INDEX, LAYERS: [] }],
    [{ ...IMAGE, MediaType: OCI_INDEX }],
    [{ ...IMAGE, Config: blob(5) }],
  ];
  for (const [value, contentType] of wrong) {
    t.throws(
      () => parse(value, contentType),
      { name: 'SyntaxError', message: /ambiguous/ },
      JSON.stringify(value),
    );
  }
  t.end();
});

t.test('refuses a mediaType that contradicts the content type', (t) => {
  const types = [OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_LIST];
  for (const mediaType of types) {
    const value = mediaType === OCI_INDEX || mediaType === DOCKER_LIST ? INDEX : IMAGE;
    for (const contentType of types) {
      if (contentType === mediaType)
        t.doesNotThrow(() => parse({ ...value, mediaType }, contentType));
      else t.throws(() => parse({ ...value, mediaType }, contentType), { message: /contradicts/ });
    }
  }
  t.throws(() => parse({ ...IMAGE, mediaType: 'x'.repeat(9999) }, OCI_MANIFEST), {
    message: /^.{1,300}$/,
  });
  t.end();
});

t.test('null is absent, as it is to Go', (t) => {
  const nulls = { mediaType: null, artifactType: null, subject: null, annotations: null };
  t.same(parse({ ...IMAGE, ...nulls, manifests: null, blobs: null, fsLayers: null }), {
    kind: 'image',
    mediaType: OCI_MANIFEST,
    config: blob(0),
    layers: [blob(1)],
  });
  t.equal(parse({ ...INDEX, layers: null, config: null }).kind, 'index');
  for (const missing of ['config', 'layers']) {
    t.throws(() => parse({ ...IMAGE, [missing]: null }), SyntaxError, missing);
    t.throws(() => parse({ ...IMAGE, [missing]: undefined }), SyntaxError, missing);
  }
  t.throws(() => parse({ ...INDEX, manifests: null }), SyntaxError);
  t.throws(() => parse({ schemaVersion: 2, manifests: null }), SyntaxError);
  t.end();
});

t.test('refuses documents of other kinds', (t) => {
  const schema1 = {
    schemaVersion: 1,
    name: 'a',
    tag: 'b',
    fsLayers: [{ blobSum: digest(1) }],
    history: [],
  };
  const artifact = {
    mediaType: 'application/vnd.oci.artifact.manifest.v1+json',
    artifactType: 'application/x',
    blobs: [blob(1)],
  };
  const wrong: readonly object[] = [
    schema1,
    { ...schema1, schemaVersion: 2 },
    { ...IMAGE, schemaVersion: 1 },
    { ...IMAGE, schemaVersion: '2' },
    { ...IMAGE, schemaVersion: undefined },
    { ...IMAGE, schemaVersion: 3 },
    ...['blobs', 'fsLayers', 'history', 'signatures'].flatMap((name) => [
      { ...IMAGE, [name]: [] },
      { ...INDEX, [name]: [] },
    ]),
    artifact,
    { ...artifact, schemaVersion: 2 },
    { ...IMAGE, mediaType: 'application/vnd.oci.artifact.manifest.v1+json' },
    { ...IMAGE, mediaType: 'application/vnd.docker.distribution.manifest.v1+json' },
    { ...IMAGE, mediaType: `${OCI_MANIFEST}; charset=utf-8` },
    { ...IMAGE, mediaType: OCI_MANIFEST.toUpperCase() },
    [IMAGE],
    {},
  ];
  for (const value of wrong) t.throws(() => parse(value), SyntaxError, JSON.stringify(value));
  for (const text of ['null', '7', '"x"', '', '[]']) {
    t.throws(() => parseManifest(Buffer.from(text), OCI_MANIFEST), SyntaxError, text);
  }
  t.end();
});

t.test('refuses every member of another shape', (t) => {
  const changes: readonly object[] = [
    ...[7, [], {}, true].flatMap((wrong) => [{ mediaType: wrong }, { artifactType: wrong }]),
    ...['', 7, [], {}, { ...blob(1), digest: 'sha384:00' }].map((subject) => ({ subject })),
    ...[7, [], { a: 1 }].map((annotations) => ({ annotations })),
  ];
  for (const change of changes) {
    t.throws(() => parse({ ...IMAGE, ...change }), SyntaxError, JSON.stringify(change));
    t.throws(() => parse({ ...INDEX, ...change }), SyntaxError, JSON.stringify(change));
  }
  for (const list of [7, {}, 'x', [null], [7], [[]], [{}], [blob(1), null], { length: 0 }]) {
    t.throws(() => parse({ ...IMAGE, layers: list }), SyntaxError, JSON.stringify(list));
    t.throws(() => parse({ ...INDEX, manifests: list }), SyntaxError, JSON.stringify(list));
  }
  for (const config of [7, [], {}, 'x', { ...blob(0), size: -1 }]) {
    t.throws(() => parse({ ...IMAGE, config }), SyntaxError, JSON.stringify(config));
  }
  t.end();
});

t.test('refuses one digest with two sizes, and takes it twice with one', (t) => {
  const message = /is declared with sizes 7 and 8/;
  t.throws(() => parse({ ...IMAGE, layers: [blob(1), blob(2), blob(1, 8)] }), { message });
  t.throws(() => parse({ ...IMAGE, layers: [blob(0, 8)] }), { message });
  t.throws(() => parse({ ...INDEX, manifests: [blob(1), blob(1, 8)] }), { message });
  t.match(parse({ ...IMAGE, layers: [blob(1), blob(1), blob(0)] }), { layers: { length: 3 } });
  t.end();
});

t.test('takes 1024 descriptors and no more', (t) => {
  const list = (count: number) => Array.from({ length: count }, (_, index) => blob(index));
  t.equal(MAX_DESCRIPTORS, 1024);
  t.match(parse({ ...IMAGE, layers: list(1024) }), { layers: { length: 1024 } });
  t.match(parse({ ...INDEX, manifests: list(1024) }), { manifests: { length: 1024 } });
  t.throws(() => parse({ ...IMAGE, layers: list(1025) }), { message: /at most 1024 layers/ });
  t.throws(() => parse({ ...INDEX, manifests: list(1025) }), { message: /at most 1024 manifests/ });
  t.match(parse({ ...IMAGE, layers: [] }), { layers: [] });
  t.end();
});

t.test('keeps subject, artifact type and annotations', (t) => {
  const extra = { artifactType: 'application/x', subject: blob(3), annotations: { a: 'b' } };
  t.match(parse({ ...IMAGE, ...extra }), extra);
  t.match(parse({ ...INDEX, ...extra }), extra);
  t.notOk('artifactType' in parse({ ...IMAGE, artifactType: '' }));
  t.end();
});

t.test('refuses a member named twice, wherever it stands', (t) => {
  const text = JSON.stringify(IMAGE);
  const twice = [
    text.replace('{', '{"schemaVersion":2,'),
    text.replace('"layers"', '"layers":[],"layers"'),
    text.replace('"layers"', '"\\u006cayers":[],"layers"'),
    text.replace('"size":7', '"size":7,"size":7'),
  ];
  for (const one of twice) {
    t.throws(() => parseManifest(Buffer.from(one), ''), { message: /^duplicate member/ }, one);
  }
  t.end();
});

t.test('any JSON is a manifest or a SyntaxError', (t) => {
  const member = fc.constantFrom(...Object.keys({ ...IMAGE, ...INDEX }), 'subject', 'annotations');
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(blob(1), [blob(1)], [blob(2), {}]),
  );
  const types = fc.constantFrom('', OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, 'text/html');
  const base = fc.constantFrom<object>(IMAGE, INDEX, {});
  fc.assert(
    fc.property(base, fc.dictionary(member, value, { maxKeys: 3 }), types, (start, over, type) => {
      try {
        const manifest = parse({ ...start, ...over }, type);
        return manifest.kind === 'index' || manifest.config.size >= 0;
      } catch (error) {
        return error instanceof SyntaxError;
      }
    }),
    { numRuns: 2000 },
  );
  t.end();
});
