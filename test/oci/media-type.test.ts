/** Media types: what is an image, what is an index, and what is left of a Content-Type header. */
import t from 'tap';
import {
  DOCKER_LIST,
  DOCKER_MANIFEST,
  essence,
  isImageType,
  isIndexType,
  MANIFEST_ACCEPT,
  OCI_INDEX,
  OCI_MANIFEST,
} from '../../src/oci/media-type.ts';

t.test('every manifest type is an image or an index, never both', (t) => {
  for (const type of [OCI_MANIFEST, DOCKER_MANIFEST]) {
    t.ok(isImageType(type));
    t.notOk(isIndexType(type));
  }
  for (const type of [OCI_INDEX, DOCKER_LIST]) {
    t.ok(isIndexType(type));
    t.notOk(isImageType(type));
  }
  for (const type of ['', 'application/json', `${OCI_INDEX};x=y`, 'constructor']) {
    t.notOk(isImageType(type));
    t.notOk(isIndexType(type));
  }
  t.end();
});

t.test('asks for everything but schema 1', (t) => {
  t.same(
    MANIFEST_ACCEPT.split(', ').sort(),
    [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].sort(),
  );
  t.end();
});

t.test('leaves parameters and case of a Content-Type behind', (t) => {
  t.equal(essence('Text/Plain; charset=x'), 'text/plain');
  t.equal(essence(` ${OCI_INDEX} ;a=";"`), OCI_INDEX);
  t.equal(essence(''), '');
  t.equal(essence(';'), '');
  t.end();
});
