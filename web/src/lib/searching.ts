import type { RouteLocationRaw } from 'vue-router'
import type { SearchGroup, SearchHit, SearchKind, TextPart } from '@/api/types'

export const SEARCH_KINDS: SearchKind[] = ['tickets', 'messages', 'contacts', 'files']
export const SEARCH_FILTERS = ['status', 'channel', 'account_id', 'assignee_id', 'team_id', 'tag'] as const
export type SearchFilter = (typeof SEARCH_FILTERS)[number]
const MOST_RECENT = 8

/** Where a hit leads. */
export function placeOfHit(hit: SearchHit): RouteLocationRaw {
  if (hit.kind === 'contacts') return { name: 'contacts', params: { id: hit.id } }
  return { name: 'inbox', params: { number: hit.ticket?.number ?? '' } }
}

/** In the order in which the arrow keys pass them. */
export const inOrder = (groups: SearchGroup[]): SearchHit[] => groups.flatMap((group) => group.items)

/** `100+` where counting stopped. */
export const countOf = (group: Pick<SearchGroup, 'count' | 'more'>): string => `${group.count}${group.more ? '+' : ''}`

/** Only the filters that the server knows, and none that is empty. */
export function filtersFrom(query: Record<string, unknown>): Partial<Record<SearchFilter, string>> {
  const given = SEARCH_FILTERS.map((name) => [name, query[name]] as const)
  return Object.fromEntries(given.filter(([, value]) => typeof value === 'string' && value !== ''))
}

/** Further pages of the same kind stand below the first. */
export function withPage(groups: SearchGroup[], page: SearchGroup): SearchGroup[] {
  return groups.map((group) => {
    if (group.kind !== page.kind) return group
    const known = new Set(group.items.map((hit) => hit.id))
    const items = [...group.items, ...page.items.filter((hit) => !known.has(hit.id))]
    return { ...group, items, next: page.next, certain: page.certain }
  })
}

/** For the eye: a run of parts without any mark says nothing, so that it may be left out. */
export const hasMark = (parts: TextPart[]): boolean => parts.some((part) => part.hit)

const keyOf = (userId: string): string => `omnihub.searches.${userId}`

/** What this person looked for in this browser, the latest first. */
export function recentSearches(userId: string): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(keyOf(userId)) ?? '[]')
    return Array.isArray(kept) ? kept.filter((one): one is string => typeof one === 'string').slice(0, MOST_RECENT) : []
  } catch {
    return []
  }
}

export function rememberSearch(userId: string, words: string): string[] {
  const wanted = words.trim()
  const recent = recentSearches(userId)
  if (!wanted) return recent
  const next = [wanted, ...recent.filter((one) => one !== wanted)].slice(0, MOST_RECENT)
  localStorage.setItem(keyOf(userId), JSON.stringify(next))
  return next
}

export function forgetSearches(userId: string): void {
  localStorage.removeItem(keyOf(userId))
}
