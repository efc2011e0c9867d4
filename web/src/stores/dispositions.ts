import { defineStore } from 'pinia'
import { ref } from 'vue'
import { calls as api } from '@/api'
import { DISPOSITIONS } from '@/lib/phones'

/** How calls may be summed up, by account. */
export const useDispositions = defineStore('dispositions', () => {
  const known = ref<Record<string, readonly string[]>>({})

  /** Read anew each time that a form opens, because an admin may change them. */
  async function load(accountId: string): Promise<void> {
    if (!accountId) return
    try {
      known.value = { ...known.value, [accountId]: await api.dispositions(accountId) }
    } catch (error) {
      // The usual ones are offered instead; the server says which of them it does not take.
      console.warn('the ways to sum up a call could not be read', error)
    }
  }

  const of = (accountId: string): readonly string[] => known.value[accountId] ?? DISPOSITIONS

  return { known, load, of }
})
