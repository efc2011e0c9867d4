import type { Message } from '@/api'

const GONE_OUT = new Set(['sent', 'delivered', 'read'])

/** What has gone out and can still be taken back, by a channel that allows it for so many hours. */
export function isRecallable(message: Pick<Message, 'delivery' | 'extra'>, hours: number, now: number): boolean {
  const { delivery, extra } = message
  if (!delivery || !(hours > 0) || !GONE_OUT.has(delivery.state) || extra?.recalled_at) return false
  const sent = Date.parse(delivery.sent_at ?? '')
  return Number.isNaN(sent) || now - sent < hours * 3_600_000
}
