import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { filterCount, filtersOf, type LogFilters } from '@/lib/callLog'

/** The call log's filters, kept in the page's address. */
export function useCallFilters() {
  const route = useRoute()
  const router = useRouter()
  const filters = computed(() => filtersOf(route.query))
  const count = computed(() => filterCount(filters.value))

  function change(changes: Partial<LogFilters>): void {
    const query = { ...route.query, ...Object.fromEntries(Object.entries(changes).map(([name, value]) => [name, value || undefined])) }
    void router.replace({ query })
  }
  const clear = (): void => void router.replace({ query: {} })
  const field = (name: keyof LogFilters) => computed({ get: () => filters.value[name], set: (value: string | null | undefined) => change({ [name]: value ?? '' }) })

  return { filters, count, change, clear, field }
}
