import type { Message, PhoneCall } from '@/api/types'
import { isGoingOn, takenBy } from './calls'

/** After that a call that nobody summed up is left alone. */
export const FRESH_MS = 1_800_000

/** Whether the reader has just talked, and nobody said how it went. */
export function asksHowItWent(message: Message, call: PhoneCall, own: readonly string[], now: number): boolean {
  if (message.wrap_up || isGoingOn(call) || call.outcome !== 'answered' || !takenBy(call, own)) return false
  return now - Date.parse(call.ended_at ?? message.at) < FRESH_MS
}
