import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import type { Ticket } from '@/api'
import { loadSeen, saveSeen, withSeen, type Seen } from '@/lib/seen'

/** What this browser has shown to its person: unread dots and the badge in the window's title. */
export const useSeen = defineStore('seen', () => {
  const seen = ref<Seen>(loadSeen())
  const arrivals = ref<Set<string>>(new Set())

  const isUnread = (ticket: Ticket): boolean =>
    ticket.last_inbound_id !== null &&
    ticket.waiting_since !== null &&
    seen.value[ticket.id] !== ticket.last_inbound_id

  function markSeen(ticket: Ticket): void {
    if (arrivals.value.has(ticket.id)) {
      arrivals.value = new Set([...arrivals.value].filter((id) => id !== ticket.id))
    }
    if (!ticket.last_inbound_id || seen.value[ticket.id] === ticket.last_inbound_id) return
    seen.value = withSeen(seen.value, ticket.id, ticket.last_inbound_id)
    saveSeen(seen.value)
  }

  function arrived(ticketId: string): void {
    arrivals.value = new Set([...arrivals.value, ticketId])
  }

  const badge = computed(() => arrivals.value.size)
  return { isUnread, markSeen, arrived, badge }
})
