/** The one door to /api/v1: credentials, CSRF, language, problem+json and the server's clock. */

export const API_BASE = '/api/v1'

export class Problem extends Error {
  override readonly name = 'Problem'
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly fields: Record<string, string> = {},
    readonly details: Record<string, unknown> = {},
    readonly retryAfter: number | null = null,
  ) {
    super(detail || title || code)
  }

  get offline(): boolean {
    return this.status === 0
  }
}

interface Wiring {
  csrf: string
  locale: string
  onUnauthorized: () => void
}

export const wiring: Wiring = { csrf: '', locale: 'en', onUnauthorized: () => undefined }

let skew = 0

/** Milliseconds since the epoch by the server's clock, so that countdowns do not depend on this machine's. */
export const serverNow = (): number => Date.now() + skew

function learnClock(response: Response): void {
  const stamp = Date.parse(response.headers.get('Date') ?? '')
  if (Number.isNaN(stamp)) return
  const difference = stamp + 500 - Date.now()
  skew = Math.abs(difference) > 1500 ? difference : 0
}

export type Params = Record<string, string | number | boolean | null | undefined>

export function withQuery(path: string, params: Params = {}): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && value !== '') query.set(name, String(value))
  }
  const text = query.toString()
  return API_BASE + path + (text ? `?${text}` : '')
}

export function baseHeaders(method: string): Record<string, string> {
  const headers: Record<string, string> = {
    Accept: 'application/json, application/problem+json',
    'Accept-Language': wiring.locale,
  }
  if (method !== 'GET') headers['X-CSRF-Token'] = wiring.csrf
  return headers
}

export function problemFrom(status: number, body: unknown, retryAfter: string | null = null): Problem {
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  const text = (name: string): string => (typeof given[name] === 'string' ? (given[name] as string) : '')
  return new Problem(
    status,
    text('code') || `http_${status}`,
    text('title'),
    text('detail'),
    (given.fields as Record<string, string> | undefined) ?? {},
    (given.details as Record<string, unknown> | undefined) ?? {},
    retryAfter === null ? null : Number(retryAfter) || null,
  )
}

export interface RequestOptions {
  params?: Params
  body?: unknown
  signal?: AbortSignal
  /** The answer 401 is expected and must not end the session. */
  quiet401?: boolean
  idempotencyKey?: string
}

export const newKey = (): string => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`

export async function request<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
  const headers = baseHeaders(method)
  if (options.body !== undefined) headers['Content-Type'] = 'application/json'
  if (options.idempotencyKey) headers['Idempotency-Key'] = options.idempotencyKey
  let response: Response
  try {
    response = await fetch(withQuery(path, options.params), {
      method,
      headers,
      credentials: 'same-origin',
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: options.signal,
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem(0, 'offline', '', '')
  }
  learnClock(response)
  const text = await response.text()
  const body: unknown = text ? parseJson(text) : undefined
  if (response.ok) return body as T
  if (response.status === 401 && !options.quiet401) wiring.onUnauthorized()
  throw problemFrom(response.status, body, response.headers.get('Retry-After'))
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy's HTML error page: only its status says something.
    return undefined
  }
}

export interface Downloaded {
  content: Blob
  filename: string
}

/** Reads a file whole, telling how many bytes have come; faults are told as problems, as everywhere. */
export async function download(path: string, params: Params, tell: (bytes: number) => void = () => undefined): Promise<Downloaded> {
  const response = await fetch(withQuery(path, params), { headers: { ...baseHeaders('GET'), Accept: '*/*' }, credentials: 'same-origin' }).catch(() => {
    throw new Problem(0, 'offline', '', '')
  })
  if (!response.ok) {
    if (response.status === 401) wiring.onUnauthorized()
    throw problemFrom(response.status, parseJson(await response.text()), response.headers.get('Retry-After'))
  }
  const parts: Uint8Array<ArrayBuffer>[] = []
  let bytes = 0
  try {
    for (const reader = response.body!.getReader(); ; ) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value)
      tell((bytes += value.length))
    }
  } catch {
    throw new Problem(0, 'offline', '', '')
  }
  const filename = /filename="?([^";]+)/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? ''
  return { content: new Blob(parts, { type: response.headers.get('Content-Type') ?? '' }), filename }
}

export const get = <T>(path: string, params?: Params, options: RequestOptions = {}): Promise<T> =>
  request<T>('GET', path, { ...options, params })
export const post = <T>(path: string, body: unknown = {}, options: RequestOptions = {}): Promise<T> =>
  request<T>('POST', path, { ...options, body })
export const create = <T>(path: string, body: unknown, key: string = newKey()): Promise<T> =>
  request<T>('POST', path, { body, idempotencyKey: key })
export const put = <T>(path: string, body: unknown): Promise<T> => request<T>('PUT', path, { body })
export const patch = <T>(path: string, body: unknown): Promise<T> => request<T>('PATCH', path, { body })
export const remove = <T>(path: string): Promise<T> => request<T>('DELETE', path)
