
// The page asks its own location for the numbers, keeps what it gets for some minutes, and shows it.

const EVERY = 2_000
const PATIENCE = 5_000
// Numbers of before that are old.
const OLD = 10_000
// Between samples that are further apart than this nothing is drawn.
const GAP = 15_000

const byId = id => document.getElementById(id)

let problem = ''
let isAsking = false
let isPaused = false
let timer

async function ask() {
  if (isAsking || isPaused) return
  clearTimeout(timer)
  isAsking = true
  let numbers
  try {
    numbers = await fetchNumbers()
    problem = ''
  } catch (error) {
    problem = inWords(error)
  }
  isAsking = false
  if (numbers) take(numbers)
  timer = setTimeout(ask, EVERY)
  tell()
}

async function fetchNumbers() {
  // Not with the path: "//status", which nginx takes for "/status", would be a host here.
  const answer = await fetch('?json', { signal: AbortSignal.timeout(PATIENCE) })
  if (!answer.ok) throw new Error(`it answers with the status ${answer.status}`)
  const numbers = await answer.json()
  if (!Array.isArray(numbers?.resolver_durations)) throw new SyntaxError('not ours')
  return numbers
}

function inWords(error) {
  switch (error.name) {
    case 'TypeError': return 'it can’t be reached'
    case 'TimeoutError': return 'it doesn’t answer'
    case 'SyntaxError': return 'it answers with something else'
    default: return error.message
  }
}

// -- samples --------------------------------------------------------------------------------------------------

function take(numbers) {
  const sample = { at: Date.now(), ...numbers }
  // The clock was set back: what was before can't be drawn.
  if (samples.at(-1)?.at >= sample.at) samples.length = 0
  const last = samples.at(-1)
  sample.isFirst = !last || sample.at - last.at > GAP || isFewer(sample, last)
  samples.push(sample)
  while (samples[0].at < sample.at - KEEP) samples.shift()
  sample.points = charts.map(chart => pointOf(chart, sample))
  noteBreakers(sample, !last)
  show(sample)
}

// Whether nginx has started anew.
function isFewer(sample, last) {
  const kinds = ['requests', 'cache', 'resolver_requests', 'resolver_requests_skipped']
  return kinds.some(kind => Object.keys(last[kind]).some(name => sample[kind][name] < last[kind][name]))
}

function pointOf(chart, sample) {
  if (chart.over === 0) return chart.points(sample, sample)
  let first = samples.length - 1
  while (!samples[first].isFirst && first > 0 && sample.at - samples[first - 1].at <= chart.over + EVERY / 2) first -= 1
  const then = samples[first]
  return then === sample ? null : chart.points(then, sample, (sample.at - then.at) / 1000)
}

// Since when the page has seen each breaker open.
const opened = new Map()
const nameOf = ({ url, origin }) => `${url} ${origin}`

function noteBreakers(sample, isFirstLook) {
  for (const resolver of sample.resolvers) {
    const name = nameOf(resolver)
    if (resolver.breaker !== 'open') opened.delete(name)
    else if (!opened.has(name)) opened.set(name, `since ${isFirstLook ? 'before ' : ''}${clock(sample.at)}`)
  }
}

// -- what is shown --------------------------------------------------------------------------------------------

function show(sample) {
  for (const element of document.querySelectorAll('[data-count]')) {
    const [kind, name] = element.dataset.count.split('.')
    element.textContent = count(sample[kind][name])
    element.classList.toggle('zero', sample[kind][name] === 0)
  }
  byId('resolvers').replaceChildren(...orNone(sample.resolvers.map(resolverItem), 'No location resolves.'))
  const zones = Object.entries(sample.zones).map(([name, zone]) => zoneItem(name, zone))
  byId('zones').replaceChildren(...orNone(zones, 'There is no cache.'))
  byId('inflight').textContent = count(sample.resolver_inflight)
  byId('charts').hidden = false
  charts.forEach(draw)
}

const orNone = (items, words) => items.length ? items : [html('li', {}, words)]

const facts = pairs => html('dl', {}, ...pairs.map(([name, value]) => html('div', {}, html('dt', {}, name), html('dd', {}, value))))

function resolverItem(resolver) {
  const since = opened.get(nameOf(resolver))
  return html('li', {},
    html('h3', {}, resolver.url),
    html('p', { className: `breaker ${resolver.breaker}` }, `breaker ${resolver.breaker}`, since ? ` ${since}` : ''),
    facts([['origin', resolver.origin], ['failures in a row', count(resolver.fails)]]))
}

function zoneItem(name, zone) {
  const filled = percent(zone.used_bytes, zone.bytes)
  const bar = svg('svg', { class: 'bar', viewBox: '0 0 100 1', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('rect', { width: parseFloat(filled), height: 1 }))
  return html('li', {}, html('h3', {}, name), bar, facts([
    ['memory in use', `${bytes(zone.used_bytes)} of ${bytes(zone.bytes)}, ${filled}`],
    ['valid', count(zone.entries.valid)],
    ['negative', count(zone.entries.negative)],
    ['evicted', `${count(zone.evictions.valid)} valid, ${count(zone.evictions.negative)} negative`],
  ]))
}

// How old it all is, and what an operator should know first.
function tell() {
  const last = samples.at(-1)
  if (!last && !problem) return
  const age = last ? Date.now() - last.at : Infinity
  const state = isPaused ? 'paused' : problem || age > OLD ? 'old' : 'live'
  document.body.dataset.state = state
  byId('state').textContent = {
    paused: last ? `Paused at ${clock(last.at)}` : 'Paused',
    old: last ? `${clock(last.at)}, ${Math.round(age / 1000)} seconds old` : 'As of loading',
    live: last ? `Live, ${clock(last.at)}` : '',
  }[state]
  const open = last ? last.resolvers.filter(resolver => resolver.breaker === 'open') : []
  const alerts = open.map(resolver => `The resolver ${resolver.url} fails, and its breaker is open ${opened.get(nameOf(resolver))}: ` +
    'requests that need a call fail at once, or get an old answer.')
  if (state === 'old') {
    const since = last ? ` since ${clock(last.at)}` : ''
    alerts.unshift(`No numbers from nginx${since}: ${problem || 'it doesn’t answer'}. What is shown is old.`)
  }
  alert(alerts)
  const title = state === 'old' ? 'No numbers – ' : open.length ? 'Breaker open – ' : ''
  document.title = `${title}Authgear status`
}

// Read out when it changes, and so not touched before.
function alert(texts) {
  const told = [...byId('alerts').children].map(line => line.textContent)
  if (told.join('\n') !== texts.join('\n')) byId('alerts').replaceChildren(...texts.map(text => html('p', {}, text)))
}

byId('host').textContent = location.host
byId('pause').hidden = false
byId('pause').addEventListener('click', () => {
  isPaused = !isPaused
  byId('pause').textContent = isPaused ? 'Go on' : 'Pause'
  tell()
  ask()
})
// Timers of a page that nobody sees are slow.
document.addEventListener('visibilitychange', ask)
byId('charts').append(...charts.map(build))
setInterval(tell, 1000)
ask()
