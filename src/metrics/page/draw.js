
// Drawing. A plot is 100 by 100 units, whatever its size is: the left edge is `KEEP` ago, the right edge the last sample.

const samples = []

// The moment that somebody points at.
let cursor = null

function html(name, attributes, ...children) {
  const element = Object.assign(document.createElement(name), attributes)
  element.append(...children)
  return element
}

function svg(name, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  element.append(...children)
  return element
}

// The parts of a chart, of which `draw` changes some.
function build(chart) {
  const line = y => svg('path', { class: 'grid', d: `M0 ${y}H100` })
  chart.paths = chart.series.map(([, colour]) => svg('path', { class: `${chart.stacked ? 'area' : 'line'} ${colour}` }))
  chart.mark = svg('path', { class: 'cursor' })
  chart.plot = svg('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none', role: 'img' },
    line(0), line(50), line(100), ...chart.paths, chart.mark)
  chart.time = html('span', { className: 'time' })
  chart.now = html('span')
  chart.scale = html('span', { className: 'top', ariaHidden: 'true' })
  chart.values = chart.series.map(() => html('b'))
  const entries = chart.series.map(([name, colour], i) => html('li', { className: colour }, `${name} `, chart.values[i]))
  chart.plot.addEventListener('pointermove', event => {
    const box = chart.plot.getBoundingClientRect()
    point(samples.at(-1)?.at - KEEP * (1 - (event.clientX - box.left) / box.width))
  })
  chart.plot.addEventListener('pointerleave', () => point(null))
  return html('figure', { className: 'card chart' },
    html('figcaption', { className: 'head' }, html('h2', {}, chart.title), chart.time),
    html('p', { className: 'big' }, chart.now, ' ', html('small', {}, chart.unit)),
    html('div', { className: 'plot' }, chart.plot, chart.scale),
    html('ul', { className: 'legend' }, ...entries))
}

function point(time) {
  cursor = time
  charts.forEach(draw)
}

// The sample that is told in words: the last one, or the one that is pointed at.
function told() {
  const distance = sample => Math.abs(sample.at - cursor)
  return cursor === null ? samples.at(-1) : samples.reduce((a, b) => distance(b) < distance(a) ? b : a)
}

const x = sample => 100 - 100 * (samples.at(-1).at - sample.at) / KEEP

// The next of 1, 2, 5, 10 and so on.
function roundUp(number) {
  const power = 10 ** Math.floor(Math.log10(number))
  return [1, 2, 5, 10].map(step => step * power).find(step => step >= number) ?? number
}

// Points between which no sample is missing.
function rows(index) {
  const rows = []
  let row = null
  for (const sample of samples) {
    const point = sample.points[index]
    if (!point || sample.isFirst) row = null
    if (!point) continue
    if (!row) rows.push(row = [])
    row.push({ x: x(sample), point })
  }
  return rows
}

function draw(chart, index) {
  const all = rows(index)
  const height = ({ point }) => chart.stacked ? sum(point) : Math.max(...point)
  const top = chart.top ?? roundUp(Math.max(...all.flat().map(height), chart.least ?? 1))
  const place = (x, value) => `${x.toFixed(2)} ${(100 - 100 * value / top).toFixed(2)}`
  const line = (row, value) => row.map(({ x, point }) => place(x, value(point))).join('L')
  chart.paths.forEach((path, i) => {
    const upTo = i => point => sum(point.slice(0, i))
    const shape = chart.stacked
      ? row => `M${line(row, upTo(i + 1))}L${line([...row].reverse(), upTo(i))}Z`
      : row => `M${line(row, point => point[i])}h0`
    path.setAttribute('d', all.map(shape).join(''))
  })
  chart.scale.textContent = chart.write(top)
  tellOf(chart, index)
}

// The same in words, of one sample.
function tellOf(chart, index) {
  const sample = told()
  const point = sample.points[index]
  const words = chart.series.map((_, i) => point ? chart.write(point[i]) : '–')
  chart.values.forEach((value, i) => { value.textContent = words[i] })
  chart.now.textContent = point ? chart.big(point) : '–'
  chart.time.textContent = cursor === null ? '' : clock(sample.at)
  chart.mark.setAttribute('d', cursor === null ? '' : `M${x(sample)} 0V100`)
  const listed = chart.series.map(([name], i) => `${name} ${words[i]}`)
  chart.plot.setAttribute('aria-label', `${chart.title}, the last five minutes. At ${clock(sample.at)}: ${listed.join(', ')}`)
}
