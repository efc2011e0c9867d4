import { onUnmounted, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { useRouter } from 'vue-router'
import type { HubEvent, Ticket } from '@/api'
import { callsSomebody } from '@/lib/calls'
import { useHubStatus } from '@/stores/hubStatus'
import { useLive } from '@/stores/live'
import { usePrefs } from '@/stores/prefs'
import { useSeen } from '@/stores/seen'
import { useSession } from '@/stores/session'
import { useTicket } from '@/stores/ticket'

const TOUCHES_STATUS = /^(message\.(delivery|received)|account\.)/

/** What happens outside the lists when a customer writes: the badge in the title and a desktop notification. */
export function useArrivals(): void {
  const { t } = useI18n()
  const router = useRouter()
  const session = useSession()
  const seen = useSeen()
  const open = useTicket()
  const prefs = usePrefs()
  const hub = useHubStatus()

  function concernsMe(ticket: Ticket): boolean {
    return !ticket.spam && (ticket.assignee_id === null || ticket.assignee_id === session.user?.id)
  }

  function announce(ticket: Ticket): void {
    if (!prefs.notify || !document.hidden) return
    const note = new Notification(ticket.contact_name || ticket.subject, {
      body: ticket.last_message?.preview || ticket.subject,
      tag: ticket.id,
    })
    note.onclick = () => {
      window.focus()
      void router.push(`/inbox/${ticket.number}`)
      note.close()
    }
  }

  function onEvents(events: HubEvent[], tickets: Ticket[]): void {
    if (events.some((event) => TOUCHES_STATUS.test(event.type))) hub.loadSoon()
    const written = new Set(events.filter(callsSomebody).map((e) => e.ticket_id))
    for (const ticket of tickets) {
      if (!written.has(ticket.id) || !concernsMe(ticket)) continue
      if (open.ticket?.id === ticket.id && !document.hidden) continue
      seen.arrived(ticket.id)
      announce(ticket)
    }
  }

  onUnmounted(useLive().subscribe(onEvents, () => void hub.load()))
  watch(
    () => [seen.badge, open.ticket?.number, open.ticket?.subject, prefs.locale] as const,
    ([badge, number, subject]) => {
      const place = number ? `#${number} ${subject}` : t('nav.inbox')
      document.title = `${badge ? `(${badge}) ` : ''}${place} · omnihub`
    },
    { immediate: true },
  )
}
