import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { serverNow, tickets as api, type Counts, type HubEvent, type Problem, type Ticket, type TicketQuery } from '@/api'
import { debounced } from '@/lib/timing'
import { ticketOrder, withChanges } from '@/lib/ticketList'
import { useLive } from './live'
import { useSession } from './session'

const PAGE = 40

export type HomeView = TicketQuery['view']

/** The ticket list that is being looked at, kept up to date by the live link, and the counts beside it. */
export const useTickets = defineStore('tickets', () => {
  const query = ref<TicketQuery>({ view: 'mine', status: 'active' })
  const items = ref<Ticket[]>([])
  const next = ref<string | null>(null)
  const loading = ref(false)
  const loadingMore = ref(false)
  const problem = ref<Problem | null>(null)
  const counts = ref<Counts | null>(null)
  /** The view to begin with: the one where work is. Decided once, so that it does not change under the reader. */
  const home = ref<HomeView | null>(null)
  let turn = 0

  const me = computed(() => useSession().user?.id ?? '')

  /** `quiet` keeps the rows on screen while the answer is awaited. */
  async function load(quiet = false): Promise<void> {
    const mine = ++turn
    if (!quiet) {
      loading.value = true
      items.value = []
      next.value = null
    }
    try {
      const limit = Math.min(200, Math.max(PAGE, quiet ? items.value.length : 0))
      const page = await api.list({ ...query.value, limit })
      if (mine !== turn) return
      items.value = page.items
      next.value = page.next
      problem.value = null
    } catch (error) {
      if (mine === turn) problem.value = error as Problem
    } finally {
      if (mine === turn) loading.value = false
    }
  }

  async function loadMore(): Promise<void> {
    if (!next.value || loadingMore.value || loading.value) return
    const mine = turn
    loadingMore.value = true
    try {
      const page = await api.list({ ...query.value, cursor: next.value, limit: PAGE })
      if (mine !== turn) return
      const known = new Set(items.value.map((ticket) => ticket.id))
      items.value = [...items.value, ...page.items.filter((ticket) => !known.has(ticket.id))].sort(
        ticketOrder(query.value.sort ?? 'last_message_at'),
      )
      next.value = page.next
    } finally {
      loadingMore.value = false
    }
  }

  async function loadCounts(): Promise<void> {
    try {
      counts.value = await api.counts()
    } catch {
      // The numbers beside the views are a comfort; the list below speaks of the same fault in words.
      counts.value = null
    }
  }

  async function decideHome(): Promise<void> {
    if (home.value) return
    if (!counts.value) await loadCounts()
    home.value ??= (['mine', 'unassigned'] as const).find((view) => counts.value?.[view]) ?? 'all'
  }

  const countSoon = debounced(() => void loadCounts(), 400)

  function show(wanted: TicketQuery): Promise<void> {
    query.value = wanted
    return load()
  }

  function take(changed: Ticket[]): void {
    if (changed.length === 0) return
    items.value = withChanges(items.value, changed, query.value, me.value, serverNow(), next.value !== null)
    countSoon()
  }

  function follow(): () => void {
    return useLive().subscribe(
      (_events: HubEvent[], changed: Ticket[]) => take(changed),
      () => {
        void load(true)
        void loadCounts()
      },
    )
  }

  return { query, items, next, loading, loadingMore, problem, counts, home, decideHome, load, loadMore, loadCounts, show, take, follow }
})
