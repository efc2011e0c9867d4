import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { hub, type HubStatus } from '@/api'
import { debounced } from '@/lib/timing'

/** The hub's own numbers, for the badges of outbox and dead letters. */
export const useHubStatus = defineStore('hubStatus', () => {
  const status = ref<HubStatus | null>(null)

  async function load(): Promise<void> {
    try {
      status.value = await hub.status()
    } catch {
      // Only badges hang on it; the pages themselves report their faults.
      status.value = null
    }
  }

  const loadSoon = debounced(() => void load(), 1500)
  const dead = computed(() => status.value?.intake?.dead ?? 0)
  const stuck = computed(() => (status.value?.outbound?.failed ?? 0) + (status.value?.outbound?.uncertain ?? 0))
  return { status, dead, stuck, load, loadSoon }
})
