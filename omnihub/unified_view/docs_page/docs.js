/** A page made of /api/v1/openapi.json alone. Everything from the document goes in as text, never as HTML. */

const WORDS = {
  en: {
    search: 'Search operations', anonymous: 'not signed in', parameters: 'Parameters', body: 'Body', answers: 'Answers',
    tryIt: 'Try it', send: 'Send', copy: 'Copy', copied: 'Copied', signIn: 'Sign in in the app, then reload: this page uses its session.',
    other: '中文', nothing: 'Nothing found', fields: 'fields', confirm: 'This changes data in this hub. Go on?',
  },
  zh: {
    search: '搜索接口', anonymous: '未登录', parameters: '参数', body: '请求正文', answers: '响应',
    tryIt: '试一试', send: '发送', copy: '复制', copied: '已复制', signIn: '请先在网页端登录后刷新，本页使用其会话。',
    other: 'English', nothing: '没有找到', fields: '字段', confirm: '此操作会修改系统中的数据，是否继续？',
  },
}
const TAGS_ZH = {
  session: '登录与退出', tickets: '工单、时间线与合并拆分', messages: '回复、备注及其发送结果', attachments: '文件', contacts: '客户',
  accounts: '渠道与账号', people: '用户、团队与令牌', upkeep: '死信、发件箱与系统状态', live: '实时事件',
}
const PREFIX = '/api/v1'
const store = window.localStorage
let language = store.getItem('docs.language') ?? (navigator.language.startsWith('zh') ? 'zh' : 'en')
let spec = null
let session = null

const byId = (id) => document.getElementById(id)
const say = (name) => WORDS[language][name]

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.filter((child) => child !== null && child !== undefined))
  return element
}

const follow = (schema) => (schema?.$ref ? spec.components.schemas[schema.$ref.split('/').pop()] : schema)

function kindOf(schema) {
  if (!schema) return ''
  if (schema.$ref) return schema.$ref.split('/').pop()
  const branches = schema.anyOf ?? schema.oneOf
  if (branches) return branches.map(kindOf).join(' | ')
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(' | ')
  if ('const' in schema) return JSON.stringify(schema.const)
  if (schema.type === 'array') return `${kindOf(schema.items) || 'any'}[]`
  if (schema.format) return `${schema.type} (${schema.format})`
  return schema.type ?? 'any'
}

function exampleOf(schema, depth = 0) {
  const whole = follow(schema)
  if (!whole || depth > 6) return null
  if ('default' in whole) return whole.default
  if ('const' in whole) return whole.const
  if (whole.enum) return whole.enum[0]
  const branches = whole.anyOf ?? whole.oneOf
  if (branches) return exampleOf(branches.find((one) => one.type !== 'null') ?? branches[0], depth + 1)
  if (whole.format === 'date-time') return '2026-01-31T09:00:00Z'
  switch (whole.type) {
    case 'object':
      return Object.fromEntries(Object.entries(whole.properties ?? {}).map(([name, one]) => [name, exampleOf(one, depth + 1)]))
    case 'array': return []
    case 'string': return ''
    case 'integer': case 'number': return whole.minimum ?? 1
    case 'boolean': return false
    default: return null
  }
}

function fieldsTable(schema, depth = 0) {
  const whole = follow(schema)
  if (!whole?.properties) return make('pre', {}, kindOf(schema))
  const required = new Set(whole.required ?? [])
  const rows = Object.entries(whole.properties).map(([name, one]) => {
    const inner = innerOf(one)
    const shown = inner && depth < 3
      ? make('details', {}, make('summary', { class: 'kind' }, `${kindOf(one)} ▸`), lazily(() => fieldsTable(inner, depth + 1)))
      : make('span', { class: 'kind' }, kindOf(one))
    const words = one.description ? make('div', { class: 'quiet' }, one.description) : null
    return make('tr', {}, make('td', {}, name, required.has(name) ? make('span', { class: 'star' }, ' *') : ''), make('td', {}, shown, words))
  })
  const words = whole.description ? make('p', { class: 'quiet' }, whole.description) : null
  return make('div', { class: depth ? 'nested' : '' }, words, make('table', {}, ...rows))
}

function innerOf(schema) {
  const candidates = [schema, schema.items, ...(schema.anyOf ?? []), ...(schema.items?.anyOf ?? [])]
  return candidates.find((one) => one?.$ref && follow(one)?.properties)
}

/** Filled when it is first opened: the document nests deeply. */
function lazily(build) {
  const place = make('div')
  queueMicrotask(() => place.parentElement?.addEventListener('toggle', () => place.childElementCount || place.append(build())))
  return place
}

function curl(method, path, operation) {
  const lines = [`curl -X ${method.toUpperCase()} '${location.origin}${PREFIX}${path}'`]
  if (operation['x-role'] !== 'anybody') lines.push(`  -H 'Authorization: Bearer oh_…'`)
  const content = operation.requestBody?.content ?? {}
  if (content['application/json']) {
    const example = JSON.stringify(exampleOf(content['application/json'].schema)).replaceAll("'", `'\\''`)
    lines.push(`  -H 'Content-Type: application/json'`, `  -d '${example}'`)
  }
  if (content['multipart/form-data']) lines.push(`  -F 'file=@picture.png'`)
  return lines.join(' \\\n')
}

function copyButton(text) {
  const button = make('button', { type: 'button', onclick: async () => {
    await navigator.clipboard.writeText(text())
    button.textContent = say('copied')
    setTimeout(() => (button.textContent = say('copy')), 1500)
  } }, say('copy'))
  return button
}

function tryIt(method, path, operation) {
  const inputs = new Map()
  const rows = operation.parameters.map((parameter) => {
    const input = make('input', { 'aria-label': parameter.name, placeholder: String(parameter.schema?.default ?? '') })
    inputs.set(parameter, input)
    const star = parameter.required ? make('span', { class: 'star' }, ' *') : ''
    const words = parameter.description ?? parameter.schema?.description
    return make('tr', {}, make('td', {}, parameter.name, star),
      make('td', {}, make('span', { class: 'kind' }, `${parameter.in} · ${kindOf(parameter.schema)}`), words ? make('div', { class: 'quiet' }, words) : null),
      make('td', {}, input))
  })
  const json = operation.requestBody?.content['application/json']
  const multipart = operation.requestBody?.content['multipart/form-data']
  const body = json ? make('textarea', { spellcheck: 'false', 'aria-label': say('body') }) : null
  if (body) body.value = JSON.stringify(exampleOf(json.schema), null, 2)
  const file = multipart ? make('input', { type: 'file', 'aria-label': 'file' }) : null
  const answer = make('pre', { hidden: true })
  const send = make('button', { type: 'button', class: 'main', onclick: () => run() }, say('send'))
  async function run() {
    if (method !== 'get' && !confirm(say('confirm'))) return
    send.disabled = true
    try {
      answer.textContent = await call(method, path, inputs, body, file)
    } catch (error) {
      answer.textContent = String(error)
    } finally {
      answer.hidden = false
      send.disabled = false
    }
  }
  return make('div', {},
    rows.length ? make('h3', {}, say('parameters')) : null, rows.length ? make('table', {}, ...rows) : null,
    body || file ? make('h3', {}, say('body')) : null, json ? fieldsTable(json.schema) : null, body, file,
    make('div', { class: 'row' }, send, session ? null : make('span', { class: 'quiet' }, say('signIn'))), answer)
}

async function call(method, path, inputs, body, file) {
  let target = path
  const query = new URLSearchParams()
  const headers = { 'Accept-Language': language === 'zh' ? 'zh-CN' : 'en' }
  for (const [parameter, input] of inputs) {
    if (parameter.in === 'path') target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value))
    else if (input.value && parameter.in === 'header') headers[parameter.name] = input.value
    else if (input.value) query.set(parameter.name, input.value)
  }
  if (method !== 'get' && session) headers['X-CSRF-Token'] = session.csrf
  let sent
  if (body) { headers['Content-Type'] = 'application/json'; sent = body.value }
  if (file) { sent = new FormData(); sent.append('file', file.files[0]) }
  const search = query.size ? `?${query}` : ''
  const started = performance.now()
  const response = await fetch(PREFIX + target + search, { method: method.toUpperCase(), headers, body: sent, credentials: 'same-origin' })
  const took = Math.round(performance.now() - started)
  const kind = response.headers.get('Content-Type') ?? ''
  const text = kind.includes('json') ? JSON.stringify(await response.json(), null, 2) : `${kind} ${(await response.blob()).size} bytes`
  return `${response.status} ${response.statusText} · ${took} ms\n\n${text}`
}

function operationCard(method, path, operation) {
  const summary = language === 'zh' ? operation['x-summary-zh'] : operation.summary
  const card = make('details', { class: 'operation', id: operation.operationId },
    make('summary', {}, make('span', { class: `method ${method}` }, method.toUpperCase()), make('span', { class: 'path' }, path), make('span', { class: 'summary' }, summary)))
  card.addEventListener('toggle', () => {
    if (card.open && card.childElementCount === 1) card.append(inside(method, path, operation))
  })
  return card
}

function inside(method, path, operation) {
  const example = operation['x-curl'] ?? curl(method, path, operation)
  const answers = Object.entries(operation.responses).map(([status, one]) => {
    const schema = Object.values(one.content ?? {})[0]?.schema
    const shape = schema ? make('details', {}, make('summary', { class: 'kind' }, `${kindOf(schema)} ▸`), lazily(() => fieldsTable(schema))) : ''
    return make('tr', {}, make('td', {}, status), make('td', {}, one.description, shape))
  })
  const websocket = '101' in operation.responses
  const theirs = method === 'webhook'
  const elsewhere = theirs || 'x-curl' in operation
  return make('div', { class: 'inside' },
    make('p', {}, operation.description),
    elsewhere && operation.requestBody ? fieldsTable(Object.values(operation.requestBody.content)[0].schema) : null,
    websocket || elsewhere ? null : tryIt(method, path, operation),
    websocket || theirs ? null : make('h3', {}, 'curl'), websocket || theirs ? null : make('pre', {}, example),
    websocket || theirs ? null : make('div', { class: 'row' }, copyButton(() => example)),
    make('h3', {}, say('answers')), make('table', {}, ...answers))
}

function matches(query, method, path, operation) {
  const text = `${method} ${path} ${operation.summary} ${operation['x-summary-zh']} ${operation.tags} ${operation.operationId}`.toLowerCase()
  return query.toLowerCase().split(/\s+/).every((word) => text.includes(word))
}

function show() {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  byId('search').placeholder = say('search')
  byId('language').textContent = say('other')
  byId('who').textContent = session ? session.user.name : say('anonymous')
  const query = byId('search').value.trim()
  const index = byId('index')
  const list = byId('operations')
  index.replaceChildren()
  list.replaceChildren()
  for (const tag of spec.tags) {
    const told = Object.entries(spec.webhooks ?? {}).map(([name, methods]) => [name, { webhook: methods.post }])
    const found = [...Object.entries(spec.paths), ...told].flatMap(([path, methods]) => Object.entries(methods)
      .filter(([method, operation]) => operation.tags.includes(tag.name) && matches(query, method, path, operation))
      .map(([method, operation]) => [method, path, operation]))
    if (!found.length) continue
    const words = language === 'zh' ? TAGS_ZH[tag.name] ?? tag['x-description-zh'] ?? tag.description : tag.description
    index.append(make('h2', {}, tag.name), ...found.map(([, , operation]) =>
      make('a', { href: `#${operation.operationId}` }, language === 'zh' ? operation['x-summary-zh'] : operation.summary)))
    list.append(make('h2', {}, tag.name), make('p', { class: 'quiet' }, words), ...found.map((one) => operationCard(...one)))
  }
  if (!list.childElementCount) list.append(make('p', { class: 'quiet' }, say('nothing')))
  openNamed()
}

function openNamed() {
  const card = location.hash && byId(decodeURIComponent(location.hash.slice(1)))
  if (card?.matches('details')) { card.open = true; card.scrollIntoView({ block: 'start' }) }
}

function applyTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme
}

byId('search').addEventListener('input', () => show())
byId('language').addEventListener('click', () => {
  language = language === 'zh' ? 'en' : 'zh'
  store.setItem('docs.language', language)
  show()
})
byId('theme').addEventListener('click', () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches
  store.setItem('docs.theme', dark ? 'light' : 'dark')
  applyTheme(store.getItem('docs.theme'))
})
window.addEventListener('hashchange', openNamed)
applyTheme(store.getItem('docs.theme'))

const [document_, who] = await Promise.all([fetch(`${PREFIX}/openapi.json`), fetch(`${PREFIX}/session`, { credentials: 'same-origin' })])
spec = await document_.json()
session = who.ok ? await who.json() : null
show()
