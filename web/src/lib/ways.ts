import type { Conversation, OtherWay, ReplyWay } from '@/api'
import { isClosed, windowState } from './replyWindow'

/** A way to the customer as the composer offers it. `id` is the conversation's, or names another way. */
export type Way =
  | { id: string; kind: 'conversation'; reply: Conversation }
  | { id: string; kind: 'elsewhere'; reply: OtherWay }

const PREFIX = 'elsewhere:'

export const conversationWay = (one: Conversation): Way => ({ id: one.id, kind: 'conversation', reply: one })
export const otherWay = (one: OtherWay): Way => ({
  id: `${PREFIX}${one.account_id}|${one.reply_to[0]?.key ?? ''}`,
  kind: 'elsewhere',
  reply: one,
})

export const waysOf = (detail: { conversations: Conversation[]; elsewhere?: OtherWay[] }): Way[] => [
  ...detail.conversations.map(conversationWay),
  ...(detail.elsewhere ?? []).filter((one) => one.reply_to.length > 0).map(otherWay),
]

/** A plain answer may go this way now. */
export const isOpen = (reply: ReplyWay, now: number): boolean => reply.can_reply && !isClosed(windowState(reply, now))

/** Something may go this way: a plain answer, or at least a template. Nobody who left can be written to. */
export const isUsable = (reply: ReplyWay, now: number): boolean =>
  isOpen(reply, now) || ((reply.templates?.length ?? 0) > 0 && windowState(reply, now) !== 'gone')

/** The way that the customer wrote last, even while its window is closed; else the latest that is open. */
export function usualWay(ways: readonly Way[], lastConversationId: string | undefined, now: number): Way | undefined {
  const own = ways.filter((way) => way.kind === 'conversation')
  const last = own.find((way) => way.id === lastConversationId)
  if (last && (isOpen(last.reply, now) || last.reply.window)) return last
  return own.findLast((way) => isOpen(way.reply, now)) ?? own.findLast((way) => way.reply.window) ?? last
}

/** What to offer where the present way is closed: another exchange of this ticket, then the other ways in their order. */
export const instead = (ways: readonly Way[], current: Way | undefined, now: number): Way | undefined =>
  ways.find((way) => way.id !== current?.id && isOpen(way.reply, now))
