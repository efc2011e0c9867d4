import { ref, shallowRef } from 'vue'
import type { Page, Problem } from '@/api'

/** A keyset list: first page, further pages, and words for what went wrong. */
export function usePaged<T>(fetchPage: (cursor?: string) => Promise<Page<T>>) {
  const items = shallowRef<T[]>([])
  const next = ref<string | null>(null)
  const loading = ref(false)
  const loadingMore = ref(false)
  const problem = ref<Problem | null>(null)
  let turn = 0

  async function load(quiet = false): Promise<void> {
    const mine = ++turn
    if (!quiet) loading.value = true
    try {
      const page = await fetchPage()
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
    if (!next.value || loadingMore.value) return
    const mine = turn
    loadingMore.value = true
    try {
      const page = await fetchPage(next.value)
      if (mine !== turn) return
      items.value = [...items.value, ...page.items]
      next.value = page.next
    } catch (error) {
      problem.value = error as Problem
    } finally {
      loadingMore.value = false
    }
  }

  return { items, next, loading, loadingMore, problem, load, loadMore }
}
