import type { CallDirection, CallNews, CallOutcome, CallRow, CallState, HubEvent, Message, PhoneCall } from '@/api/types'

const STATES: readonly string[] = ['ringing', 'queued', 'talking', 'held', 'parked', 'ended']
const OUTCOMES: readonly string[] = ['answered', 'missed', 'abandoned', 'busy', 'no_answer', 'failed', 'rejected', 'voicemail']
const WAITING: ReadonlySet<CallState> = new Set<CallState>(['ringing', 'queued'])
/** Ends of a customer's call after which somebody has to call back. */
const LOST: ReadonlySet<CallOutcome> = new Set<CallOutcome>(['missed', 'abandoned', 'voicemail', 'busy', 'no_answer', 'failed'])

type Raw = Record<string, unknown>

const table = (value: unknown): Raw | null => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : null)
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const count = (value: unknown): number => (typeof value === 'number' && value > 0 ? value : 0)
const words = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [])
const moment = (value: unknown): string | null => (Number.isNaN(Date.parse(text(value))) ? null : text(value))
const stateOf = (value: unknown): CallState | null => (STATES.includes(text(value)) ? (value as CallState) : null)
const outcomeOf = (value: unknown): CallOutcome => (OUTCOMES.includes(text(value)) ? (value as CallOutcome) : '')
const directionOf = (value: unknown): CallDirection => (value === 'out' ? 'out' : 'in')

function transfersOf(value: unknown): PhoneCall['transfers'] {
  const list = Array.isArray(value) ? value : []
  return list.flatMap((one) => {
    const given = table(one)
    return given ? [{ from: text(given.from), to: text(given.to), kind: given.kind === 'attended' ? 'attended' : 'blind' }] : []
  })
}

function consentOf(value: unknown): PhoneCall['consent'] {
  const given = table(value)
  return given && (given.notice || given.version) ? { notice: text(given.notice), version: text(given.version) } : null
}

/** A call as it is stored, where each part may still be unknown; null for what is none. */
export function asCall(raw: unknown): PhoneCall | null {
  const given = table(raw)
  if (!given) return null
  return {
    id: text(given.id),
    direction: directionOf(given.direction),
    state: stateOf(given.state) ?? (given.ended_at ? 'ended' : 'ringing'),
    outcome: outcomeOf(given.outcome),
    customer: text(given.customer),
    customer_name: text(given.customer_name),
    line: text(given.line),
    queue: text(given.queue),
    position: count(given.position),
    agents: words(given.agents),
    ringing: words(given.ringing),
    answered_by: text(given.answered_by),
    transfers: transfersOf(given.transfers),
    started_at: moment(given.started_at),
    answered_at: moment(given.answered_at),
    ended_at: moment(given.ended_at),
    waited_seconds: count(given.waited_seconds),
    talked_seconds: count(given.talked_seconds),
    cause: text(given.cause),
    consent: consentOf(given.consent),
    sequence: count(given.sequence),
  }
}

export function callOf(message: Message): PhoneCall | null {
  const call = message.kind === 'call' ? asCall(message.extra?.call) : null
  return call && { ...call, started_at: call.started_at ?? message.sent_at ?? message.at, sequence: count(message.extra.sequence) || call.sequence }
}

export const NO_NEWS: CallNews = {
  id: null, state: null, outcome: null, direction: null, customer: null, agents: null, ringing: null, answered_by: null, line: null, queue: null,
  customer_name: null, position: null, started_at: null, answered_at: null, ended_at: null, sequence: null,
}

/** What an event tells of a call, if it is of one. */
export function newsOf(event: HubEvent): CallNews | null {
  const given = event.type === 'message.received' || event.type === 'message.updated' ? table(event.data.call) : null
  if (!given) return null
  return {
    id: text(given.id) || null,
    state: stateOf(given.state),
    outcome: outcomeOf(given.outcome) || null,
    direction: given.direction === 'in' || given.direction === 'out' ? given.direction : null,
    customer: text(given.customer) || null,
    agents: words(given.agents).length > 0 ? words(given.agents) : null,
    ringing: Array.isArray(given.ringing) ? words(given.ringing) : null,
    answered_by: text(given.answered_by) || null,
    line: text(given.line) || null,
    queue: text(given.queue) || null,
    customer_name: text(given.customer_name) || null,
    position: typeof given.position === 'number' ? count(given.position) : null,
    started_at: moment(given.started_at),
    answered_at: moment(given.answered_at),
    ended_at: moment(given.ended_at),
    sequence: typeof given.sequence === 'number' ? count(given.sequence) : null,
  }
}

/** `at`: when the news came; it stands in for moments that an event does not name. What is over stays over, and
 * what an earlier version told is known already. */
export function withNews(call: PhoneCall, news: CallNews, at: string): PhoneCall {
  if (news.sequence !== null && news.sequence < call.sequence) return call
  const known = Object.entries(news).filter(([, value]) => value !== null)
  const next = { ...call, ...Object.fromEntries(known) } as PhoneCall
  if (call.state === 'ended') next.state = 'ended'
  next.started_at ??= at
  if (!isWaiting(next) && next.state !== 'ended') next.answered_at ??= at
  if (next.state === 'ended') next.ended_at ??= at
  return next
}

export function messageWithNews(message: Message, news: CallNews, at: string): Message {
  const call = callOf(message)
  if (!call) return message
  const stored = table(message.extra.call) ?? {}
  const next = withNews(call, news, at)
  return { ...message, extra: { ...message.extra, sequence: next.sequence, call: { ...stored, ...next } } }
}

export const isWaiting = (call: PhoneCall): boolean => WAITING.has(call.state)
export const isGoingOn = (call: PhoneCall): boolean => call.state !== 'ended'
export const isLost = (call: Pick<PhoneCall, 'direction' | 'state' | 'outcome'>): boolean =>
  call.direction === 'in' && call.state === 'ended' && LOST.has(call.outcome)

/** Whether an event is of something that waits for an agent: not a call that rings or was answered. */
export function callsSomebody(event: HubEvent): boolean {
  const call = newsOf(event) && asCall(event.data.call)
  return call ? isLost(call) : event.type === 'message.received'
}

/** Names the headline's words: `in_missed`, `out_talking`. */
export const headlineOf = (call: PhoneCall): string => `${call.direction}_${(call.state === 'ended' && call.outcome) || call.state}`

export type Tone = 'ok' | 'warn' | 'danger' | 'info' | ''

export function toneOf(call: PhoneCall): Tone {
  if (isWaiting(call)) return call.direction === 'in' ? 'warn' : 'info'
  if (isGoingOn(call)) return 'ok'
  if (isLost(call)) return 'danger'
  return call.outcome === 'answered' ? 'ok' : ''
}

function between(from: string | null, to: string | number | null): number {
  const end = typeof to === 'number' ? to : Date.parse(to ?? '')
  const seconds = (end - Date.parse(from ?? '')) / 1000
  return Number.isNaN(seconds) ? 0 : Math.max(0, Math.floor(seconds))
}

/** Seconds until somebody answered, or until now, or until the caller gave up. */
export function waitedSeconds(call: PhoneCall, now: number): number {
  if (isWaiting(call)) return between(call.started_at, now)
  return call.waited_seconds || between(call.started_at, call.answered_at ?? call.ended_at)
}

export function talkedSeconds(call: PhoneCall, now: number): number {
  if (isWaiting(call)) return 0
  if (isGoingOn(call)) return between(call.answered_at ?? call.started_at, now)
  return call.talked_seconds || between(call.answered_at, call.ended_at)
}

/** 0:07, 12:05, 1:02:05. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const two = (value: number): string => String(value).padStart(2, '0')
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60]
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`
}

// — whose telephone —

/** One spelling of an extension or number, so that "+49 30 12" is "+493012" and "Anna" is "anna". */
export function extensionKey(extension: string): string {
  const trimmed = extension.trim().toLowerCase()
  return /^\+?[\d\s()./-]+$/.test(trimmed) ? trimmed.replace(/[^\d+]/g, '') : trimmed
}

export const isOneOf = (extension: string, list: readonly string[]): boolean =>
  extension.trim() !== '' && list.some((one) => extensionKey(one) === extensionKey(extension))

/** Whether one of these telephones took the call, or placed it. */
export function takenBy(call: PhoneCall, own: readonly string[]): boolean {
  if (call.answered_by) return isOneOf(call.answered_by, own)
  // Who answered is not told: certain only where no other telephone rang.
  return call.agents.length > 0 && call.agents.every((one) => isOneOf(one, own))
}

/** Each once, without blanks. */
export function tidyExtensions(list: readonly string[]): string[] {
  const first = new Map<string, string>()
  for (const one of list.map((given) => given.trim())) {
    if (one && !first.has(extensionKey(one))) first.set(extensionKey(one), one)
  }
  return [...first.values()]
}

// — the board and the log —

export interface Board {
  waiting: CallRow[]
  talking: CallRow[]
}

/** Who has waited or talked longest comes first. */
export function boardOf(rows: readonly CallRow[]): Board {
  const live = rows.flatMap((row) => {
    const call = callOf(row.message)
    return call && isGoingOn(call) ? [{ row, call, since: Date.parse((isWaiting(call) ? null : call.answered_at) ?? call.started_at ?? '') }] : []
  })
  live.sort((a, b) => a.since - b.since)
  const those = (waits: boolean): CallRow[] => live.filter((one) => isWaiting(one.call) === waits).map((one) => one.row)
  return { waiting: those(true), talking: those(false) }
}

export function rowsWithNews(rows: readonly CallRow[], event: HubEvent): CallRow[] {
  const news = newsOf(event)
  if (!news) return [...rows]
  return rows.map((row) => (row.message.id === event.message_id ? { ...row, message: messageWithNews(row.message, news, event.at) } : row))
}

/** The first page read again, in front of the later pages that are on screen. */
export function withFirstPage(rows: readonly CallRow[], first: readonly CallRow[]): CallRow[] {
  const fresh = new Set(first.map((row) => row.message.id))
  const edge = Date.parse(first.at(-1)?.message.at ?? '')
  return [...first, ...rows.filter((row) => !fresh.has(row.message.id) && Date.parse(row.message.at) <= edge)]
}
