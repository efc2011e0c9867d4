import { computed } from 'vue'
import { useRoute, useRouter, type LocationQueryRaw } from 'vue-router'
import type { TicketQuery } from '@/api'
import { useTickets } from '@/stores/tickets'

export type ViewName = 'mine' | 'unassigned' | 'all' | 'snoozed' | 'spam'

/** The address bar is where the inbox keeps what it shows, so that a view can be shared and gone back to. */
export function useInboxQuery() {
  const route = useRoute()
  const router = useRouter()
  const tickets = useTickets()

  const text = (name: string): string | undefined => {
    const value = route.query[name]
    return typeof value === 'string' && value ? value : undefined
  }

  const view = computed<ViewName>(() => (text('view') as ViewName | undefined) ?? tickets.home ?? 'all')

  const query = computed<TicketQuery>(() => {
    const filters = {
      channel: text('channel'),
      account_id: text('account'),
      assignee_id: text('assignee'),
      team_id: text('team'),
      tag: text('tag'),
      sort: text('sort') as TicketQuery['sort'],
    }
    if (view.value === 'spam') return { view: 'all', status: text('status') ?? 'any', spam: 1, ...filters }
    if (view.value === 'snoozed') return { view: 'all', status: 'snoozed', ...filters }
    return { view: view.value, status: text('status') ?? 'active', ...filters }
  })

  const FILTERS = ['channel', 'account', 'assignee', 'team', 'tag', 'status']
  const filterCount = computed(() => FILTERS.filter((name) => text(name)).length)

  function change(changes: LocationQueryRaw): void {
    const next = { ...route.query, ...changes }
    for (const [name, value] of Object.entries(next)) if (!value) delete next[name]
    void router.push({ name: 'inbox', params: route.params, query: next })
  }

  function show(name: ViewName): void {
    if (name !== 'snoozed' && name !== 'spam') tickets.home = name
    void router.push({ name: 'inbox', params: route.params, query: { view: name, sort: route.query.sort } })
  }

  const clear = (): void => change(Object.fromEntries(FILTERS.map((name) => [name, undefined])))

  return { view, query, filterCount, text, change, show, clear }
}
