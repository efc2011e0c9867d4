import { useI18n } from 'vue-i18n'
import type { HubEvent } from '@/api'
import { handleValue, minuteTime } from '@/lib/format'
import { usePeople } from '@/stores/people'

/** One line of the trail as a sentence. */
export function useEventWords() {
  const { t, te, locale } = useI18n()
  const people = usePeople()

  const text = (value: unknown): string => (value === null || value === undefined ? '' : String(value))

  function target(data: HubEvent['data']): string {
    const person = text(data.to_name) || people.userName(data.assignee_id as string | null)
    const team = text(data.to_team_name) || people.teamName(data.team_id as string | null)
    return [person, team].filter(Boolean).join(' · ')
  }

  function named(table: string, value: unknown): string {
    const key = `${table}.${text(value)}`
    return te(key) ? t(key) : text(value)
  }

  function changes(data: HubEvent['data']): { from: string; to: string } {
    const table = data.to && te(`priority.label.${text(data.to)}`) ? 'priority.label' : 'status'
    return { from: named(table, data.from), to: named(table, data.to) }
  }

  function tags(data: HubEvent['data']): string {
    const list = (data.to ?? data.tags ?? data.added ?? []) as unknown
    return Array.isArray(list) ? list.join(', ') : text(list)
  }

  function variant(event: HubEvent, to: string): string {
    if (event.type === 'ticket.assigned' && !to) return 'ticket.unassigned'
    if (event.type === 'conversation.moved' && !event.data.from) return 'conversation.unmoved'
    if (event.type === 'ticket.spam' && event.data.spam === false) return 'ticket.unspam'
    return event.type
  }

  function sentence(event: HubEvent): string {
    const { data } = event
    const actor = event.actor.name || t(`actor.${event.actor.kind}`)
    const to = target(data)
    const path = `event.${variant(event, to).replace('.', '_')}`
    if (!te(path)) return `${actor}: ${event.type}`
    return t(path, {
      actor,
      target: to,
      ...changes(data),
      subject: text(data.subject ?? data.to),
      tags: tags(data) || '–',
      into: text(data.into),
      until: minuteTime(text(data.until), locale.value),
      who: text(data.name) || handleValue(text(data.key)),
    })
  }

  /** The reason and the note that came with it. */
  function remarks(event: HubEvent): string[] {
    return [event.data.reason, event.data.note].map(text).filter(Boolean)
  }

  return { sentence, remarks }
}
