import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import {
  tickets as api,
  type HubEvent,
  type Message,
  type Problem,
  type Ticket,
  type TicketDetail,
  type TimelineItem,
} from '@/api'
import { debounced } from '@/lib/timing'
import { itemId, withCallNews, withMessage, withNewest, withOlder } from '@/lib/timeline'
import { useLive } from './live'
import { useSeen } from './seen'
import { useTickets } from './tickets'

/** Events after which more than the ticket's row and its timeline has changed. */
const TOUCHES_DETAIL = /^(ticket\.(merged|unmerged|split|unsplit|created)|conversation\.|contact\.|participant\.|message\.received)/

/** Events after which a reply window that is counted has changed too. */
const TOUCHES_WINDOW = /^message\.(queued|delivery)/
const AMENDS = new Set(['message.media', 'message.updated', 'message.edited', 'message.recalled', 'message.delivery', 'call.wrapped_up', 'recording.deleted'])
/** Pages to look through for a message far up that has changed. */
const MOST_PAGES = 10

/** The ticket that is open, with its timeline. */
export const useTicket = defineStore('ticket', () => {
  const detail = ref<TicketDetail | null>(null)
  const items = ref<TimelineItem[]>([])
  const older = ref<string | null>(null)
  const loading = ref(false)
  const loadingOlder = ref(false)
  const problem = ref<Problem | null>(null)
  /** The customer's newest message, and the newest of any direction, that were on this screen; sent along with every reply. */
  const seenInboundId = ref<string | null>(null)
  const seenMessageId = ref<string | null>(null)
  let wanted: string | number | null = null

  const ticket = computed(() => detail.value?.ticket ?? null)
  const messages = computed(() => items.value.flatMap((item) => (item.kind === 'message' ? [item.message] : [])))

  /** The customer's name by a key of theirs; a channel may tell it only after the first message. */
  function customerName(key: string): string {
    const contact = detail.value?.contact
    return contact?.identities.some((one) => one.key === key) ? contact.name : ''
  }

  async function open(id: string | number): Promise<void> {
    wanted = id
    detail.value = null
    items.value = []
    older.value = null
    problem.value = null
    loading.value = true
    try {
      const [found, first] = await Promise.all([api.read(id), api.timeline(id)])
      const last = found.ticket.last_inbound_id
      const has = first.next !== null || !last || first.items.some((item) => itemId(item) === last)
      // A message may come in between the two answers; what is not on screen must not be taken for seen.
      const page = has ? first : await api.timeline(id)
      if (wanted !== id) return
      detail.value = found
      items.value = withNewest([], page.items, true)
      older.value = page.next
      seenInboundId.value = last
      seenMessageId.value = messages.value.at(-1)?.id ?? null
      useSeen().markSeen(found.ticket)
    } catch (error) {
      if (wanted === id) problem.value = error as Problem
    } finally {
      if (wanted === id) loading.value = false
    }
  }

  function close(): void {
    wanted = null
    detail.value = null
    items.value = []
    problem.value = null
  }

  async function loadOlder(): Promise<void> {
    const id = ticket.value?.id
    if (!id || !older.value || loadingOlder.value) return
    loadingOlder.value = true
    try {
      const page = await api.timeline(id, older.value)
      if (ticket.value?.id !== id) return
      items.value = withOlder(items.value, page.items)
      older.value = page.next
    } finally {
      loadingOlder.value = false
    }
  }

  /** The newest page, and where messages further up are known to have changed, the pages down from them. */
  async function refreshTimeline(changed: readonly string[] = []): Promise<void> {
    const id = ticket.value?.id
    if (!id) return
    let page = await api.timeline(id)
    const wanted = new Set(changed.filter((one) => items.value.some((item) => itemId(item) === one)))
    let found = page.items
    for (let pages = 1; ; pages += 1) {
      page.items.forEach((item) => wanted.delete(itemId(item)))
      if (wanted.size === 0 || page.next === null || pages >= MOST_PAGES) break
      page = await api.timeline(id, page.next)
      found = [...page.items, ...found]
    }
    if (ticket.value?.id !== id) return
    items.value = withNewest(items.value, found, page.next === null)
    if (page.next === null) older.value = null
  }

  async function refreshDetail(): Promise<void> {
    const id = ticket.value?.id
    if (!id) return
    const found = await api.read(id)
    if (ticket.value?.id === id) detail.value = found
  }

  // A fault here is shown by the banner of the live link, which calls for a refresh when it is back.
  const amended = new Set<string>()
  const timelineSoon = debounced(() => {
    const changed = [...amended]
    amended.clear()
    void refreshTimeline(changed).catch(() => undefined)
  }, 120)
  const detailSoon = debounced(() => void refreshDetail().catch(() => undefined), 150)

  function takeTicket(changed: Ticket): void {
    if (detail.value && detail.value.ticket.id === changed.id && changed.version >= detail.value.ticket.version) {
      detail.value = { ...detail.value, ticket: changed }
    }
    useTickets().take([changed])
  }

  function takeMessage(message: Message): void {
    if (message.ticket_id === ticket.value?.id) items.value = withMessage(items.value, message)
  }

  const isLast = (id: string): boolean => id === messages.value.at(-1)?.id
  const hasSeen = (id: string): boolean =>
    (!isLast(id) || id === seenMessageId.value) && (id !== ticket.value?.last_inbound_id || id === seenInboundId.value)

  function saw(id: string): void {
    if (isLast(id)) seenMessageId.value = id
    if (!ticket.value || id !== ticket.value.last_inbound_id) return
    seenInboundId.value = id
    useSeen().markSeen(ticket.value)
  }

  /** The guard's dialog has shown these, oldest first. None: what was answered has left the ticket. */
  function sawBetween(between: readonly Message[]): void {
    const inbound = between.findLast((message) => message.direction === 'inbound')
    if (inbound) seenInboundId.value = inbound.id
    else if (between.length === 0) seenInboundId.value = ticket.value?.last_inbound_id ?? null
    seenMessageId.value = between.at(-1)?.id ?? messages.value.at(-1)?.id ?? null
  }

  function follow(): () => void {
    return useLive().subscribe(
      (events: HubEvent[], changed: Ticket[]) => {
        const id = ticket.value?.id
        if (!id) return
        const row = changed.find((candidate) => candidate.id === id)
        if (row && detail.value && row.version >= detail.value.ticket.version) {
          detail.value = { ...detail.value, ticket: row }
        }
        const own = events.filter((event) => event.ticket_id === id)
        if (own.some((event) => event.data.call)) items.value = withCallNews(items.value, own)
        for (const event of own) if (AMENDS.has(event.type) && event.message_id) amended.add(event.message_id)
        if (own.length > 0) timelineSoon()
        const counted = detail.value?.conversations.some((one) => one.window) ?? false
        if (own.some((event) => TOUCHES_DETAIL.test(event.type) || (counted && TOUCHES_WINDOW.test(event.type)))) detailSoon()
      },
      () => {
        timelineSoon()
        detailSoon()
      },
    )
  }

  return {
    detail,
    ticket,
    items,
    messages,
    older,
    loading,
    loadingOlder,
    problem,
    seenInboundId,
    seenMessageId,
    open,
    close,
    loadOlder,
    refreshTimeline,
    refreshDetail,
    takeTicket,
    takeMessage,
    customerName,
    hasSeen,
    saw,
    sawBetween,
    follow,
  }
})
