import type { CallNews, PhoneCall } from '@/api/types'
import { asCall, isOneOf, isWaiting, takenBy, withNews } from './calls'

/**
 * ringing: at one of our own telephones. mine: we answered. over: it ended unanswered, said for a moment.
 * wrap: we talked, and are asked how it went. placed: we call somebody, which needs no words until it is over.
 * away: somebody else has it, or it went back into the queue; it may ring here again. gone: dismissed or over,
 * kept for a while so that a late word does not bring it back.
 */
export type PopPhase = 'ringing' | 'mine' | 'over' | 'wrap' | 'placed' | 'away' | 'gone'

export interface CallPop {
  messageId: string
  ticketId: string
  call: PhoneCall
  phase: PopPhase
  /** When this phase ends by itself, in milliseconds. */
  until: number
  /** The pop-up was closed before the call was over; the question how it went still comes. */
  dismissed?: boolean
}

export interface Heard {
  messageId: string
  ticketId: string
  news: CallNews
  at: string
}

/** Nobody lets it ring longer; also how old news may be to still make something pop up. */
export const RINGS_MS = 180_000
export const SAYS_OVER_MS = 6_000
export const REMEMBERS_MS = 600_000
/** How long it is asked how a call went, unless somebody begins to answer. */
export const ASKS_MS = 600_000

const LASTS: Record<PopPhase, number> = { ringing: RINGS_MS, mine: Infinity, over: SAYS_OVER_MS, wrap: ASKS_MS, placed: Infinity, away: REMEMBERS_MS, gone: REMEMBERS_MS }
const SHOWN: ReadonlySet<PopPhase> = new Set<PopPhase>(['ringing', 'mine', 'over', 'wrap'])

export const isShown = (pop: CallPop): boolean => !pop.dismissed && SHOWN.has(pop.phase)

function afterEnd(before: PopPhase | null, call: PhoneCall, own: readonly string[]): PopPhase {
  if (before === 'over' || before === 'wrap') return before
  if (call.outcome === 'answered' && before !== null) return takenBy(call, own) ? 'wrap' : 'gone'
  return before === 'ringing' ? 'over' : 'gone'
}

function phaseAfter(before: PopPhase | null, call: PhoneCall, own: readonly string[]): PopPhase {
  if (before === 'gone') return 'gone'
  if (call.state === 'ended') return afterEnd(before, call, own)
  if (call.direction === 'out') return 'placed'
  if (call.state === 'ringing') return call.ringing.length === 0 || call.ringing.some((one) => isOneOf(one, own)) ? 'ringing' : 'away'
  if (isWaiting(call)) return 'away'
  return takenBy(call, own) ? 'mine' : 'away'
}

const concerns = (call: PhoneCall, own: readonly string[]): boolean => [...call.agents, call.answered_by].some((one) => isOneOf(one, own))

/** `own`: the reader's extensions. */
export function afterHearing(pops: readonly CallPop[], heard: Heard, own: readonly string[], now: number): CallPop[] {
  const known = pops.find((pop) => pop.messageId === heard.messageId)
  const before = known?.call ?? asCall({ direction: heard.news.direction ?? 'in', state: heard.news.state ?? 'ringing' })!
  const call = withNews(before, heard.news, heard.at)
  if (!known && (!concerns(call, own) || now - Date.parse(heard.at) > RINGS_MS)) return [...pops]
  const phase = phaseAfter(known?.phase ?? null, call, own)
  const stays = known?.phase === phase && (phase === 'over' || phase === 'wrap')
  const pop: CallPop = { messageId: heard.messageId, ticketId: heard.ticketId, call, phase, until: stays ? known.until : now + LASTS[phase] }
  if (known?.dismissed && (phase !== 'wrap' || stays)) pop.dismissed = true
  return known ? pops.map((one) => (one === known ? pop : one)) : [...pops, pop]
}

/** Closed by hand. */
export function afterDismissing(pops: readonly CallPop[], messageId: string, now: number): CallPop[] {
  const goesOn = pops.some((pop) => pop.messageId === messageId && (pop.phase === 'ringing' || pop.phase === 'mine'))
  if (!goesOn) return afterFinishing(pops, messageId, now)
  return pops.map((pop) => (pop.messageId === messageId ? { ...pop, dismissed: true } : pop))
}

export const afterFinishing = (pops: readonly CallPop[], messageId: string, now: number): CallPop[] =>
  pops.map((pop) => (pop.messageId === messageId ? { ...pop, phase: 'gone', until: now + REMEMBERS_MS } : pop))

/** It is being worked on, and does not go by itself any more. */
export const afterTouching = (pops: readonly CallPop[], messageId: string): CallPop[] =>
  pops.map((pop) => (pop.messageId === messageId ? { ...pop, until: Infinity } : pop))

/** What has had its time goes; what was shown is remembered for a while. */
export function afterTime(pops: readonly CallPop[], now: number): CallPop[] {
  return pops.flatMap((pop) => {
    if (pop.until > now) return [pop]
    if (pop.phase === 'ringing') return [{ ...pop, phase: 'away' as const, until: now + REMEMBERS_MS }]
    return isShown(pop) ? [{ ...pop, phase: 'gone' as const, until: now + REMEMBERS_MS }] : []
  })
}

/** When `afterTime` has something to do next. */
export function nextChange(pops: readonly CallPop[]): number | null {
  const next = Math.min(...pops.map((pop) => pop.until))
  return Number.isFinite(next) ? next : null
}
