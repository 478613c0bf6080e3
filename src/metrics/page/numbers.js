
// Numbers in words, and what is made of counts. The first three write as `words.rs` does.

const count = number => number.toLocaleString('en-US')

function bytes(number) {
  const [unit, size] = number < 1048576 ? ['KB', 1024] : ['MB', 1048576]
  const tenths = Math.floor(10 * number / size)
  return tenths < 100 ? `${(tenths / 10).toFixed(1)} ${unit}` : `${count(Math.floor(tenths / 10))} ${unit}`
}

const percent = (part, whole) => `${(whole ? Math.floor(1000 * part / whole) / 10 : 0).toFixed(1)} %`

const short = number => String(Number(number.toPrecision(3)))

function rate(number) {
  if (number > 0 && number < 0.01) return '<0.01'
  return number < 100 ? short(number) : count(Math.round(number))
}

// The last bucket has no bound: of what is in it no more is known than this.
const LAST_BOUND = 10_000

function duration(milliseconds) {
  if (milliseconds >= LAST_BOUND) return `${LAST_BOUND / 1000} s or more`
  return milliseconds < 1000 ? `${short(milliseconds)} ms` : `${short(milliseconds / 1000)} s`
}

const clock = time => new Date(time).toLocaleTimeString('en-GB')

const sum = numbers => numbers.reduce((total, number) => total + number, 0)

// What was counted of these between two samples.
const counted = (kind, names, then, now) => sum(names.map(name => now[kind][name] - then[kind][name]))

// As Prometheus estimates it, evenly spread within a bucket; null if there was no call.
function quantile(part, then, now) {
  const buckets = now.resolver_durations.map(({ milliseconds, calls }, i) => {
    return { bound: milliseconds, calls: calls - then.resolver_durations[i].calls }
  })
  let rank = part * sum(buckets.map(bucket => bucket.calls))
  if (rank === 0) return null
  let low = 0
  for (const { bound, calls } of buckets) {
    if (bound === null) break
    if (calls > 0 && rank <= calls) return low + (bound - low) * rank / calls
    rank -= calls
    low = bound
  }
  return LAST_BOUND
}
