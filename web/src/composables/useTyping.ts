import { tickets as api } from '@/api'

const PAUSE_MS = 5000

/** Tells the customer that somebody writes, at most every five seconds. It is a courtesy: failures are not told. */
export function useTyping(ticketId: string) {
  let next = 0
  return (conversationId: string): void => {
    const at = Date.now()
    if (at < next) return
    next = at + PAUSE_MS
    api.typing(ticketId, conversationId).catch(() => undefined)
  }
}
