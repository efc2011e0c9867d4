import type { CallNews, PhoneCall } from '@/api/types'
import { asCall, isOneOf, isWaiting, withNews } from './calls'

/**
 * ringing: at one of our own telephones. mine: we answered. over: it ended unanswered, said for a moment.
 * away: somebody else has it, or it went back into the queue; it may ring here again. gone: dismissed or over,
 * kept for a while so that a late word does not bring it back.
 */
export type PopPhase = 'ringing' | 'mine' | 'over' | 'away' | 'gone'

export interface CallPop {
  messageId: string
  ticketId: string
  call: PhoneCall
  phase: PopPhase
  /** When this phase ends by itself, in milliseconds. */
  until: number
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

const LASTS: Record<PopPhase, number> = { ringing: RINGS_MS, mine: Infinity, over: SAYS_OVER_MS, away: REMEMBERS_MS, gone: REMEMBERS_MS }

export const isShown = (pop: CallPop): boolean => pop.phase === 'ringing' || pop.phase === 'mine' || pop.phase === 'over'

function answeredByUs(call: PhoneCall, own: readonly string[]): boolean {
  if (call.answered_by) return isOneOf(call.answered_by, own)
  // Who answered is not told: certain only where no other telephone rang.
  return call.agents.length > 0 && call.agents.every((one) => isOneOf(one, own))
}

function afterEnd(before: PopPhase | null, call: PhoneCall): PopPhase {
  if (before === 'over') return 'over'
  return before === 'ringing' && call.outcome !== 'answered' ? 'over' : 'gone'
}

function phaseAfter(before: PopPhase | null, call: PhoneCall, own: readonly string[]): PopPhase {
  if (before === 'gone') return 'gone'
  if (call.state === 'ended') return afterEnd(before, call)
  if (call.state === 'ringing') return 'ringing'
  if (isWaiting(call)) return 'away'
  return answeredByUs(call, own) ? 'mine' : 'away'
}

const concerns = (call: PhoneCall, own: readonly string[]): boolean =>
  call.direction === 'in' && (call.agents.some((one) => isOneOf(one, own)) || isOneOf(call.answered_by, own))

/** `own`: the reader's extensions. */
export function afterHearing(pops: readonly CallPop[], heard: Heard, own: readonly string[], now: number): CallPop[] {
  const known = pops.find((pop) => pop.messageId === heard.messageId)
  const before = known?.call ?? asCall({ direction: heard.news.direction ?? 'in', state: heard.news.state ?? 'ringing' })!
  const call = withNews(before, heard.news, heard.at)
  if (!known && (!concerns(call, own) || now - Date.parse(heard.at) > RINGS_MS)) return [...pops]
  const phase = phaseAfter(known?.phase ?? null, call, own)
  const until = known?.phase === phase && phase === 'over' ? known.until : now + LASTS[phase]
  const pop: CallPop = { messageId: heard.messageId, ticketId: heard.ticketId, call, phase, until }
  return known ? pops.map((one) => (one === known ? pop : one)) : [...pops, pop]
}

export function afterDismissing(pops: readonly CallPop[], messageId: string, now: number): CallPop[] {
  return pops.map((pop) => (pop.messageId === messageId ? { ...pop, phase: 'gone', until: now + REMEMBERS_MS } : pop))
}

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
