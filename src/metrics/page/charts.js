
// The charts: what each shows, and how it is drawn. A chart has a point for each sample: a value for each of its series, or
// null where there is nothing to say.

const KEEP = 300_000
const RESULTS = ['valid', 'none', 'invalid', 'error']
const FROM_CACHE = ['HIT', 'UPDATING', 'STALE']
const NOT_FROM_CACHE = ['MISS', 'EXPIRED']
// A call that came to anything else has failed.
const ANSWERED = ['2xx', '401', '403']
const FAILURES = {
  'no connection': ['connect', 'closed'],
  'timeout': ['timeout'],
  'bad answer': ['3xx', '429', '4xx', '500', '502', '503', '504', '5xx', 'malformed', 'other'],
}
const NOT_MADE = { 'breaker': ['breaker'], 'overload': ['overload', 'client'] }

const perSecond = (kind, groups) => (then, now, seconds) =>
  groups.map(names => counted(kind, names, then, now) / seconds)

const callsPerSecond = perSecond('resolver_requests', [ANSWERED, Object.values(FAILURES).flat()])

// `over`: how long a time before a sample its point speaks of, in milliseconds.
const charts = [
  {
    title: 'Requests', unit: 'per second', over: 10_000, stacked: true, write: rate,
    series: [['valid', 'green'], ['none', 'grey'], ['invalid', 'amber'], ['error', 'red']],
    points: perSecond('requests', RESULTS.map(name => [name])),
    big: point => rate(sum(point)),
  },
  {
    title: 'Answered from the cache', unit: 'of requests with credentials', over: 10_000, top: 100,
    write: value => `${short(value)} %`,
    series: [['hit ratio', 'blue']],
    points(then, now) {
      const found = counted('cache', FROM_CACHE, then, now)
      const all = found + counted('cache', NOT_FROM_CACHE, then, now)
      return all ? [100 * found / all] : null
    },
    big: point => `${short(point[0])} %`,
  },
  {
    title: 'Calls to the resolver', unit: 'per second', over: 10_000, stacked: true, write: rate,
    series: [['answered', 'green'], ['failed', 'red']],
    points: callsPerSecond,
    big: point => rate(sum(point)),
  },
  {
    title: 'Time to an answer', unit: '95 of 100 calls, estimated', over: 30_000, least: 10, write: duration,
    series: [['half of the calls', 'blue'], ['95 of 100', 'violet'], ['99 of 100', 'rose']],
    points(then, now) {
      const values = [0.5, 0.95, 0.99].map(part => quantile(part, then, now))
      return values.includes(null) ? null : values
    },
    big: point => duration(point[1]),
  },
  {
    title: 'Failures', unit: 'per second', over: 10_000, stacked: true, write: rate,
    series: [['no connection', 'red'], ['timeout', 'rose'], ['bad answer', 'violet'], ['breaker', 'amber'], ['overload', 'grey']],
    points: (then, now, seconds) => [
      ...perSecond('resolver_requests', Object.values(FAILURES))(then, now, seconds),
      ...perSecond('resolver_requests_skipped', Object.values(NOT_MADE))(then, now, seconds),
    ],
    big: point => rate(sum(point)),
  },
  {
    title: 'Calls in flight', unit: 'now', over: 0, write: count,
    series: [['calls', 'blue']],
    points: (_, now) => [now.resolver_inflight],
    big: point => count(point[0]),
  },
]
