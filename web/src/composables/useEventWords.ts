import { useI18n } from 'vue-i18n'
import type { HubEvent } from '@/api'
import { handleValue, minuteTime } from '@/lib/format'
import { reasonOf } from '@/lib/phones'
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
    if (event.type === 'call.dialled' && !event.data.picked_up) return 'call.unanswered'
    if (event.type === 'call_back.added' && event.actor.kind === 'user') return 'call_back.reopened'
    if (event.type === 'call_back.done' && !te(`callBack.hows.${text(event.data.how)}`)) return 'call_back.settled'
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
      number: text(data.number),
      due: minuteTime(text(data.due), locale.value),
      how: named('callBack.hows', data.how),
    })
  }

  function whyNot(words: string): string {
    const reason = reasonOf(words)
    return reason ? t(`dial.reason.${reason}`) : words
  }

  /** The reason and the note that came with it. */
  function remarks(event: HubEvent): string[] {
    if (event.type.startsWith('call_back.')) return []
    if (event.type === 'call.dialled') return event.data.picked_up ? [] : [whyNot(text(event.data.words))].filter(Boolean)
    return [event.data.reason, event.data.note].map(text).filter(Boolean)
  }

  return { sentence, remarks }
}
