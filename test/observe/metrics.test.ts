/** What is counted, as a scrape sees it. */
import t from 'tap';
import type { Observer } from '../../src/http/serving.ts';
import { createMetrics, type PlaceStatus } from '../../src/observe/metrics.ts';
import { createObservation } from '../../src/observe/observation.ts';

t.test('every counter appears under its name and labels', async (t) => {
  const metrics = createMetrics();
  metrics.decision('admitted', 'memory');
  metrics.decision('admitted', 'memory');
  metrics.decision('denied', 'none');
  metrics.auditWouldDeny('our "releases"');
  metrics.exceptionUsed('releases');
  metrics.request('manifest', 200);
  metrics.blobBytesServed('cache', 1000);
  metrics.blobBytesServed('cache', 24);
  metrics.digestMismatch('ghcr.io');
  metrics.blobUnkept();
  metrics.tagMove({ rule: 'releases', outcome: 'held', why: 'rollback' });
  metrics.logLinesDropped(7);
  const text = await metrics.render();
  for (const line of [
    'countersign_decisions_total{outcome="admitted",cached="memory"} 2',
    'countersign_decisions_total{outcome="denied",cached="none"} 1',
    String.raw`countersign_audit_would_deny_total{rule="our \"releases\""} 1`,
    'countersign_exceptions_used_total{rule="releases"} 1',
    'countersign_requests_total{route="manifest",status="200"} 1',
    'countersign_blob_bytes_served_total{source="cache"} 1024',
    'countersign_digest_mismatch_total{upstream="ghcr.io"} 1',
    'countersign_blobs_unkept_total 1',
    'countersign_tag_moves_total{rule="releases",outcome="held",why="rollback"} 1',
    'countersign_log_lines_dropped_total 7',
  ]) {
    t.ok(text.split('\n').includes(line), line);
  }
  t.match(text, 'process_resident_memory_bytes');
  t.match(metrics.contentType, 'text/plain');
});

t.test('a count is not taken twice', async (t) => {
  const metrics = createMetrics();
  metrics.request('manifest', 200);
  metrics.request('blob', 206);
  await metrics.render();
  metrics.request('manifest', 200);
  metrics.request('manifest', 404);
  await metrics.render();
  const text = await metrics.render();
  for (const line of [
    'countersign_requests_total{route="manifest",status="200"} 2',
    'countersign_requests_total{route="manifest",status="404"} 1',
    'countersign_requests_total{route="blob",status="206"} 1',
  ]) {
    t.ok(text.split('\n').includes(line), line);
  }
});

t.test('how it stands with places is asked at each scrape', async (t) => {
  const metrics = createMetrics();
  t.notMatch(await metrics.render(), 'countersign_upstream_left_alone{');
  const hub = { upstream: 'docker.io', url: 'https://registry-1.docker.io' };
  const well = { isOpen: false, openRepositories: 0, isLimited: false, budget: undefined };
  let places: readonly PlaceStatus[] = [
    { ...hub, ...well, openRepositories: 2, budget: { limit: 100, remaining: 7 } },
  ];
  metrics.watchPlaces(() => places);
  const labels = '{upstream="docker.io",url="https://registry-1.docker.io"}';
  const lines = async (): Promise<readonly string[]> =>
    (await metrics.render()).split('\n').filter((line) => line.startsWith('countersign_upstream'));
  t.strictSame(await lines(), [
    `countersign_upstream_left_alone${labels} 0`,
    `countersign_upstream_repositories_left_alone${labels} 2`,
    `countersign_upstream_limited${labels} 0`,
    `countersign_upstream_budget_remaining${labels} 7`,
    `countersign_upstream_budget_limit${labels} 100`,
  ]);
  places = [{ ...hub, ...well, isOpen: true, isLimited: true }];
  t.strictSame(await lines(), [
    `countersign_upstream_left_alone${labels} 1`,
    `countersign_upstream_repositories_left_alone${labels} 0`,
    `countersign_upstream_limited${labels} 1`,
  ]);
  places = [];
  t.strictSame(await lines(), [], 'a place that is configured no more is not told of');
});

t.test('two sets of metrics do not share their counts', async (t) => {
  createMetrics().digestMismatch('ghcr.io');
  t.notMatch(await createMetrics().render(), 'countersign_digest_mismatch_total{');
});

t.test(
  'an observation counts what it writes, and is an observer of the registry surface',
  async (t) => {
    const observation = createObservation({ level: 'info', destination: '/dev/null' });
    t.teardown(observation.close);
    const observer: Observer = observation;
    observer.pull(
      { client: '10.0.0.7', method: 'GET', asked: '/v2/', durationMs: 1 },
      {
        reference: 'ghcr.io/team/app:1',
        digest: undefined,
        rule: 'soon',
        outcome: 'warned',
        signers: [],
        reasons: ['no signature'],
        cached: 'records',
      },
    );
    observer.pull(
      { client: '10.0.0.7', method: 'HEAD', asked: '/v2/', durationMs: 1 },
      {
        reference: 'ghcr.io/team/app:1',
        digest: undefined,
        rule: 'now',
        outcome: 'excepted',
        signers: [],
        reasons: ['exception until then'],
        cached: 'memory',
      },
    );
    const text = await observation.metrics.render();
    t.match(text, 'countersign_decisions_total{outcome="excepted",cached="memory"} 1');
    t.match(text, 'countersign_exceptions_used_total{rule="now"} 1');
    t.match(text, 'countersign_decisions_total{outcome="warned",cached="records"} 1');
    t.match(text, 'countersign_audit_would_deny_total{rule="soon"} 1');
  },
);
