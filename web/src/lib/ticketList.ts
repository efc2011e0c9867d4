import { ACTIVE_STATUSES, type Ticket, type TicketQuery } from '@/api'

type SortField = NonNullable<TicketQuery['sort']>

const inView: Record<TicketQuery['view'], (ticket: Ticket, me: string) => boolean> = {
  mine: (ticket, me) => ticket.assignee_id === me,
  unassigned: (ticket) => ticket.assignee_id === null,
  all: () => true,
}

function inStatus(ticket: Ticket, status: string, now: number): boolean {
  const asleep = ticket.snoozed_until !== null && Date.parse(ticket.snoozed_until) > now
  if (status === 'any') return true
  if (status === 'snoozed') return asleep
  if (status === 'active') return !asleep && ACTIVE_STATUSES.includes(ticket.status)
  return ticket.status === status
}

/** Whether a ticket row that the live link brought belongs on the list that is being looked at. */
export function matchesQuery(ticket: Ticket, query: TicketQuery, me: string, now: number): boolean {
  return (
    ticket.merged_into === null &&
    inView[query.view](ticket, me) &&
    inStatus(ticket, query.status, now) &&
    ticket.spam === (query.spam === 1) &&
    (!query.channel || ticket.channels.includes(query.channel)) &&
    (!query.account_id || ticket.account_ids.includes(query.account_id)) &&
    (!query.assignee_id || ticket.assignee_id === query.assignee_id) &&
    (!query.team_id || ticket.team_id === query.team_id) &&
    (!query.tag || ticket.tags.includes(query.tag)) &&
    (!query.contact_id || ticket.contact_id === query.contact_id)
  )
}

/** Newest first, but who has waited longest comes first; those without a value come last. */
export function ticketOrder(sort: SortField): (a: Ticket, b: Ticket) => number {
  const rising = sort === 'waiting_since'
  return (a, b) => {
    const left = a[sort]
    const right = b[sort]
    if (left !== right) {
      if (left === null) return 1
      if (right === null) return -1
      const falling = Date.parse(right) - Date.parse(left)
      if (falling !== 0) return rising ? -falling : falling
    }
    return a.id < b.id ? 1 : -1
  }
}

/**
 * The list after the live link touched `changed`. Rows that would stand behind the last loaded one are left
 * to the next page while there is one.
 */
export function withChanges(
  items: readonly Ticket[],
  changed: readonly Ticket[],
  query: TicketQuery,
  me: string,
  now: number,
  more: boolean,
): Ticket[] {
  const versions = new Map(items.map((ticket) => [ticket.id, ticket]))
  const last = items.at(-1)
  const order = ticketOrder(query.sort ?? 'last_message_at')
  for (const ticket of changed) {
    const known = versions.get(ticket.id)
    if (known && known.version > ticket.version) continue
    const beyond = more && !known && last !== undefined && order(ticket, last) > 0
    if (matchesQuery(ticket, query, me, now) && !beyond) versions.set(ticket.id, ticket)
    else versions.delete(ticket.id)
  }
  return [...versions.values()].sort(order)
}
